#include "rcnn/ops/cpu/score_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace rcnn::ops {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <typename T>
std::vector<int64_t> Reference(const std::vector<T>& scores, int64_t limit) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  order.resize(std::min<int64_t>(limit, order.size()));
  return order;
}

template <typename T>
class BestFirstTest : public ::testing::Test {};
using ScoreTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(BestFirstTest, ScoreTypes);

TYPED_TEST(BestFirstTest, EmptyWithoutScoresOrLimit) {
  EXPECT_THAT(BestFirst(static_cast<const TypeParam*>(nullptr), 0, 5), IsEmpty());
  const TypeParam one = 1;
  EXPECT_THAT(BestFirst(&one, 1, 0), IsEmpty());
}

TYPED_TEST(BestFirstTest, EqualScoresStayInIndexOrder) {
  const std::vector<TypeParam> scores = {0.5, 2, 0.5, -1, 2, 0.5};
  EXPECT_THAT(BestFirst(scores.data(), 6, 6), ElementsAre(1, 4, 0, 2, 5, 3));
  EXPECT_THAT(BestFirst(scores.data(), 6, 4), ElementsAre(1, 4, 0, 2));
}

TYPED_TEST(BestFirstTest, BothZerosAreEqual) {
  const std::vector<TypeParam> scores = {-0.0, 0.0, -0.0, 0.0};
  EXPECT_THAT(BestFirst(scores.data(), 4, 4), ElementsAre(0, 1, 2, 3));
}

TYPED_TEST(BestFirstTest, OrdersExtremes) {
  using Limits = std::numeric_limits<TypeParam>;
  const std::vector<TypeParam> scores = {Limits::lowest(),
                                         Limits::denorm_min(),
                                         Limits::infinity(),
                                         -Limits::infinity(),
                                         -Limits::denorm_min(),
                                         0,
                                         Limits::max(),
                                         -1,
                                         1};
  EXPECT_THAT(BestFirst(scores.data(), 9, 9), ElementsAre(2, 6, 8, 1, 5, 4, 7, 0, 3));
}

// Few distinct values make many ties, also at the limit.
TYPED_TEST(BestFirstTest, EqualsStableSortOverSeeds) {
  for (int seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const int64_t count = random() % 3000;
    const int64_t limit = 1 + random() % (count + 10);
    const double levels = seed % 2 == 0 ? 7 : 1e6;
    std::normal_distribution<double> normal(0, std::exp(random() % 20 - 10.0));
    std::vector<TypeParam> scores(count);
    for (TypeParam& score : scores) score = std::round(normal(random) * levels) / levels;
    ASSERT_EQ(BestFirst(scores.data(), count, limit), Reference(scores, limit)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rcnn::ops
