#include "rcnn/ops/kernels/finish_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::TestSeed;

template <typename T>
T FromDouble(double value) {
  T converted;
  FromSum(static_cast<typename ElementSum<T>::type>(value), &converted);
  return converted;
}

template <typename T>
struct Problem {
  using A = typename ElementSum<T>::type;

  int64_t cells;
  int64_t channels;
  std::vector<T> map, add;  // `add` may be empty
  std::vector<A> bias;
  bool relu;
};

template <typename T>
Problem<T> RandomProblem(int64_t cells, int64_t channels, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  Problem<T> problem = {cells, channels, {}, {}, {}, random() % 2 == 0};
  const bool adds = random() % 2 == 0;
  for (int64_t i = 0; i < cells * channels; ++i) {
    problem.map.push_back(FromDouble<T>(normal(random)));
    if (adds) problem.add.push_back(FromDouble<T>(normal(random)));
  }
  for (int64_t c = 0; c < channels; ++c) {
    problem.bias.push_back(static_cast<typename Problem<T>::A>(normal(random)));
  }
  return problem;
}

// From a place in memory that is `offset` elements after a multiple of 16 bytes.
template <typename T>
std::vector<T> ByGrid(const Problem<T>& problem, HostOrder order, int64_t offset) {
  const int64_t count = problem.cells * problem.channels;
  std::vector<T> memory(static_cast<size_t>(count + 16 + offset));
  const auto beyond = reinterpret_cast<uintptr_t>(memory.data()) % 16;
  T* const map = memory.data() + (beyond == 0 ? 0 : (16 - beyond) / sizeof(T)) + offset;
  std::copy(problem.map.begin(), problem.map.end(), map);
  FinishWork<T> work{};
  work.count = count;
  work.channels = problem.channels;
  work.bias = problem.bias.data();
  work.add = problem.add.empty() ? nullptr : problem.add.data();
  work.relu = problem.relu;
  work.map = map;
  HostGrid launch(order, TestSeed());
  FinishChannelsLast(launch, work);
  EXPECT_EQ(launch.conflict(), "");
  return {map, map + count};
}

// The sum of an element, before it is rounded.
template <typename T>
typename ElementSum<T>::type Expected(const Problem<T>& problem, int64_t i) {
  using A = typename ElementSum<T>::type;
  A sum = ToSum(problem.map[i]) + problem.bias[i % problem.channels];
  if (!problem.add.empty()) sum += ToSum(problem.add[i]);
  return problem.relu ? std::max(sum, A{0}) : sum;
}

template <typename T>
class FinishMapTest : public ::testing::Test {};
using Types = ::testing::Types<float, double, BFloat16Bits, Float16Bits>;
TYPED_TEST_SUITE(FinishMapTest, Types);

TYPED_TEST(FinishMapTest, AddsAndRectifiesEachElement) {
  std::mt19937_64 random(TestSeed());
  for (const int64_t channels : {1, 3, 8, 16, 20, 64}) {
    for (const int64_t cells : {0, 1, 5, 300}) {
      for (const int64_t offset : {0, 1}) {
        const auto problem = RandomProblem<TypeParam>(cells, channels, random);
        for (const HostOrder order : kAllHostOrders) {
          const std::vector<TypeParam> found = ByGrid(problem, order, offset);
          for (int64_t i = 0; i < cells * channels; ++i) {
            TypeParam expected;
            FromSum(Expected(problem, i), &expected);
            ASSERT_EQ(ToSum(found[i]), ToSum(expected)) << i << " of " << cells * channels;
          }
        }
      }
    }
  }
}

TYPED_TEST(FinishMapTest, ANanStays) {
  using A = typename ElementSum<TypeParam>::type;
  const auto nan = FromDouble<TypeParam>(std::numeric_limits<double>::quiet_NaN());
  const Problem<TypeParam> problem = {
      1, 8, std::vector<TypeParam>(8, nan), {}, std::vector<A>(8, A{1}), /*relu=*/true};
  for (const TypeParam& value : ByGrid(problem, HostOrder::kForward, 0)) {
    EXPECT_TRUE(std::isnan(ToSum(value)));
  }
}

}  // namespace
}  // namespace rcnn::ops
