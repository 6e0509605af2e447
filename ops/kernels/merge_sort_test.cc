#include "rcnn/ops/kernels/merge_sort.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "rcnn/ops/cpu/score_order.h"
#include "rcnn/ops/testing/box_rows.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::RandomScores;
using ::rcnn::ops::testing::TestSeed;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

// The order of each row, one after another.
template <typename T>
std::vector<int64_t> OrderOfGrid(const std::vector<T>& scores, int64_t rows,
                                 const std::vector<int64_t>& counts, HostOrder order) {
  const int64_t all = static_cast<int64_t>(scores.size());
  std::vector<Ranked> entries(all), scratch(all);
  HostGrid launch(order, TestSeed());
  LaunchForEach(launch, all,
                RankScore<T>{all / rows, scores.data(), counts.empty() ? nullptr : counts.data(),
                             entries.data()});
  const Ranked* sorted = SortRows(launch, rows, all / rows, entries.data(), scratch.data());
  EXPECT_EQ(launch.conflict(), "");
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < all; ++i) indices.push_back(sorted[i].index);
  return indices;
}

template <typename T>
class MergeSortTest : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(MergeSortTest, Types);

TYPED_TEST(MergeSortTest, HighestFirstAndEqualOnesByIndex) {
  const std::vector<TypeParam> scores = {TypeParam{-0.0}, 2, 0, -3, 2, TypeParam{0.5}};
  EXPECT_THAT(OrderOfGrid(scores, 1, {}, HostOrder::kForward), ElementsAre(1, 4, 5, 0, 2, 3));
}

TYPED_TEST(MergeSortTest, EqualsTheOrderOfTheCpu) {
  std::mt19937_64 random(TestSeed());
  for (const int64_t count :
       {1, 2, 255, 256, 257, 512, 768, 769, 1000, 1024, 1025, 4096, 4097, 5000}) {
    const auto scores = RandomScores<TypeParam>(count, random() % 2 == 0 ? 0 : 20, random);
    for (const HostOrder order : kAllHostOrders) {
      EXPECT_THAT(OrderOfGrid(scores, 1, {}, order),
                  ElementsAreArray(BestFirst(scores.data(), count, count)))
          << count;
    }
  }
}

TYPED_TEST(MergeSortTest, SortsEachRowAndPutsRowsThatDoNotCountLast) {
  std::mt19937_64 random(TestSeed());
  constexpr int64_t kRows = 5, kCapacity = 700;
  const auto scores = RandomScores<TypeParam>(kRows * kCapacity, 50, random);
  const std::vector<int64_t> counts = {700, 0, 1, 699, 300};
  std::vector<int64_t> expected;
  for (int64_t row = 0; row < kRows; ++row) {
    for (const int64_t i : BestFirst(scores.data() + row * kCapacity, counts[row], counts[row])) {
      expected.push_back(i);
    }
    for (int64_t i = counts[row]; i < kCapacity; ++i) expected.push_back(i);
  }
  for (const HostOrder order : kAllHostOrders) {
    EXPECT_THAT(OrderOfGrid(scores, kRows, counts, order), ElementsAreArray(expected));
  }
}

TYPED_TEST(MergeSortTest, MillionScores) {
  std::mt19937_64 random(TestSeed());
  const auto scores = RandomScores<TypeParam>(1000000, 300000, random);
  EXPECT_EQ(OrderOfGrid(scores, 1, {}, HostOrder::kForward),
            BestFirst(scores.data(), 1000000, 1000000));
}

}  // namespace
}  // namespace rcnn::ops
