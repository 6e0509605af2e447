#include "rcnn/eval/score_order.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/test_seed.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;

std::vector<uint32_t> Sorted(const std::vector<double>& scores, std::vector<uint32_t> items) {
  ScoreSorter sorter;
  sorter.Sort(scores, absl::MakeSpan(items));
  return items;
}

std::vector<uint32_t> All(const std::vector<double>& scores) {
  std::vector<uint32_t> items(scores.size());
  std::iota(items.begin(), items.end(), 0);
  return items;
}

std::vector<uint32_t> Reference(const std::vector<double>& scores, std::vector<uint32_t> items) {
  std::stable_sort(items.begin(), items.end(),
                   [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
  return items;
}

TEST(ScoreSorterTest, PutsTheBestFirstAndKeepsTheOrderOfEquals) {
  EXPECT_THAT(Sorted({0.5, 0.9, 0.5, -1, 0.9}, {4, 0, 1, 2, 3}), ElementsAre(4, 1, 0, 2, 3));
  EXPECT_THAT(Sorted({}, {}), ElementsAre());
}

TEST(ScoreSorterTest, EqualsAStableSort) {
  std::mt19937_64 random(TestSeed());
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (size_t count : {1, 255, 256, 257, 1000, 30000}) {
    SCOPED_TRACE(count);
    std::vector<double> scores(count);
    for (double& score : scores) score = uniform(random);
    std::vector<uint32_t> items = All(scores);
    std::shuffle(items.begin(), items.end(), random);
    EXPECT_EQ(Sorted(scores, items), Reference(scores, items));
    // Many equal ones.
    for (double& score : scores) score = std::round(score * 20) / 20;
    EXPECT_EQ(Sorted(scores, items), Reference(scores, items));
  }
}

TEST(ScoreSorterTest, TellsNeighboursOfTheUpperHalfApart) {
  // They differ in the last bits only.
  std::vector<double> scores;
  double score = 0.75;
  for (int i = 0; i < 200; ++i) scores.push_back(score = std::nextafter(score, 1));
  EXPECT_EQ(Sorted(scores, All(scores)), Reference(scores, All(scores)));
}

TEST(ScoreSorterTest, TakesEveryMagnitudeAndBothZeros) {
  constexpr double kMax = std::numeric_limits<double>::max();
  const std::vector<double> few = {0.0,   -0.0, 5e-324, -5e-324, kMax, -kMax, 1e-300,
                                   1e300, 1,    -1,     0.0,     -0.0, 2};
  std::vector<double> scores;
  for (int i = 0; i < 20; ++i) scores.insert(scores.end(), few.begin(), few.end());
  EXPECT_EQ(Sorted(scores, All(scores)), Reference(scores, All(scores)));
}

}  // namespace
}  // namespace rcnn::eval
