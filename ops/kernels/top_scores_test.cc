#include "rcnn/ops/kernels/top_scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "rcnn/ops/cpu/score_order.h"
#include "rcnn/ops/kernels/select_smallest.h"
#include "rcnn/ops/testing/box_rows.h"
#include "rcnn/ops/testing/host_arrays.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostArrays;
using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::RandomScores;
using ::rcnn::ops::testing::TestSeed;
using ::testing::ElementsAreArray;

// Row r has the scores [begin[r], begin[r + 1]), of which those >= least are candidates.
struct ScoreRows {
  static constexpr bool kHasKeys = true;

  RCNN_HOST_DEVICE int64_t Entries(int64_t row) const { return begin[row + 1] - begin[row]; }
  RCNN_HOST_DEVICE int64_t Limit(int64_t /*row*/) const { return limit; }
  RCNN_HOST_DEVICE float Score(int64_t row, int64_t i) const { return scores[begin[row] + i]; }
  RCNN_HOST_DEVICE bool Load(int64_t row, int64_t i, uint32_t* key) const {
    *key = ScoreKey(Score(row, i));
    return Score(row, i) >= least;
  }

  const int64_t* begin;
  const float* scores;
  int64_t limit;
  float least;
};

// The order of each row, and nothing beyond the count.
std::vector<std::vector<int64_t>> TopByGrid(const ScoreRows& source, int64_t rows,
                                            HostOrder order) {
  const int64_t capacity = source.limit;
  RowParts parts = {rows, 0};
  for (int64_t row = 0; row < rows; ++row) {
    parts.longest = std::max(parts.longest, source.Entries(row));
  }
  HostArrays arrays;
  TopScoresScratch scratch{};
  PlanTopScores(parts, capacity, arrays, &scratch);
  HostGrid launch(order, TestSeed());
  const Ranked* sorted = FindTopScores(launch, parts, capacity, source, scratch);
  EXPECT_EQ(launch.conflict(), "");
  std::vector<std::vector<int64_t>> result(rows);
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t* first = scratch.selected + row * capacity;
    EXPECT_TRUE(std::is_sorted(first, first + scratch.counts[row]));
    for (int64_t i = scratch.counts[row]; i < capacity; ++i) EXPECT_EQ(first[i], 0);
    for (int64_t i = 0; i < scratch.counts[row]; ++i) {
      result[row].push_back(sorted[row * capacity + i].index);
    }
  }
  return result;
}

std::vector<int64_t> TopByCpu(const ScoreRows& source, int64_t row) {
  std::vector<int64_t> top;
  const float* scores = source.scores + source.begin[row];
  for (const int64_t i : BestFirst(scores, source.Entries(row), source.Entries(row))) {
    if (scores[i] >= source.least && static_cast<int64_t>(top.size()) < source.limit) {
      top.push_back(i);
    }
  }
  return top;
}

TEST(TopScoresKernelTest, EqualsTheCpuOverShapesAndTies) {
  std::mt19937_64 random(TestSeed());
  const std::vector<int64_t> begin = {0, 0, 1, 8, 408, 3408, 3409};
  for (const int64_t limit : {0, 1, 5, 300, 3000, 5000}) {
    for (const float least : {-2.0f, 0.5f, 2.0f}) {
      const auto scores = RandomScores<float>(begin.back(), random() % 2 == 0 ? 0 : 10, random);
      const ScoreRows source = {begin.data(), scores.data(), limit, least};
      for (const HostOrder order : kAllHostOrders) {
        const auto top = TopByGrid(source, 6, order);
        for (int64_t row = 0; row < 6; ++row) {
          EXPECT_THAT(top[row], ElementsAreArray(TopByCpu(source, row)))
              << "row " << row << ", limit " << limit << ", least " << least;
        }
      }
    }
  }
}

TEST(TopScoresKernelTest, EqualScoresComeByIndex) {
  const std::vector<int64_t> begin = {0, 400};
  const std::vector<float> scores(400, 0.25f);
  const ScoreRows source = {begin.data(), scores.data(), 123, 0};
  EXPECT_THAT(TopByGrid(source, 1, HostOrder::kReversed)[0], ElementsAreArray(TopByCpu(source, 0)));
}

TEST(TopScoresKernelTest, MillionScores) {
  std::mt19937_64 random(TestSeed());
  const std::vector<int64_t> begin = {0, 1000000};
  const auto scores = RandomScores<float>(1000000, 0, random);
  const ScoreRows source = {begin.data(), scores.data(), 2000, -2};
  EXPECT_EQ(TopByGrid(source, 1, HostOrder::kForward)[0], TopByCpu(source, 0));
}

}  // namespace
}  // namespace rcnn::ops
