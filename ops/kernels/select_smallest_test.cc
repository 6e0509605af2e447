#include "rcnn/ops/kernels/select_smallest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "rcnn/ops/testing/host_arrays.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostArrays;
using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::TestSeed;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

constexpr int64_t kPart = RowParts::kEntries;

// Rows of entries; a key is below 2^32, and -1 where the entry is not a candidate.
struct Problem {
  std::vector<std::vector<int64_t>> keys;
  std::vector<int64_t> limits;
};

template <bool kWithKeys>
struct KeyRows {
  static constexpr bool kHasKeys = kWithKeys;

  int64_t Entries(int64_t row) const { return static_cast<int64_t>(problem->keys[row].size()); }
  int64_t Limit(int64_t row) const { return problem->limits[row]; }
  bool Load(int64_t row, int64_t i, uint32_t* key) const {
    const int64_t value = problem->keys[row][i];
    *key = kWithKeys ? static_cast<uint32_t>(value) : 0;
    return value >= 0;
  }

  const Problem* problem;
};

// The selected indices of each row.
template <bool kWithKeys = true>
std::vector<std::vector<int64_t>> SelectByGrid(const Problem& problem, int64_t capacity,
                                               HostOrder order) {
  RowParts parts = {static_cast<int64_t>(problem.keys.size()), 0};
  for (const auto& row : problem.keys) {
    parts.longest = std::max(parts.longest, static_cast<int64_t>(row.size()));
  }
  HostArrays arrays;
  SelectScratch scratch{};
  SelectedRows selected = {capacity, nullptr, nullptr};
  PlanSelection(parts, arrays, &scratch);
  arrays.Add(&selected.indices, parts.rows * capacity);
  arrays.Add(&selected.counts, parts.rows);
  HostGrid launch(order, TestSeed());
  SelectSmallest(launch, parts, KeyRows<kWithKeys>{&problem}, selected, scratch);
  EXPECT_EQ(launch.conflict(), "");
  std::vector<std::vector<int64_t>> result;
  for (int64_t row = 0; row < parts.rows; ++row) {
    const int64_t* first = selected.indices + row * capacity;
    result.emplace_back(first, first + selected.counts[row]);
    EXPECT_THAT(std::vector<int64_t>(first + selected.counts[row], first + capacity), Each(0));
  }
  return result;
}

// Sorts the candidates of a row by (key, index) and takes the first.
std::vector<int64_t> FindSmallest(const Problem& problem, size_t row, int64_t capacity,
                                  bool has_keys) {
  std::vector<std::pair<int64_t, int64_t>> candidates;
  for (size_t i = 0; i < problem.keys[row].size(); ++i) {
    const int64_t key = problem.keys[row][i];
    if (key >= 0) candidates.emplace_back(has_keys ? key : 0, static_cast<int64_t>(i));
  }
  std::sort(candidates.begin(), candidates.end());
  const int64_t limit = std::clamp<int64_t>(problem.limits[row], 0, capacity);
  candidates.resize(std::min(candidates.size(), static_cast<size_t>(limit)));
  std::vector<int64_t> indices;
  for (const auto& [key, index] : candidates) indices.push_back(index);
  std::sort(indices.begin(), indices.end());
  return indices;
}

void ExpectRight(const Problem& problem, int64_t capacity, HostOrder order) {
  const auto smallest = SelectByGrid(problem, capacity, order);
  const auto first = SelectByGrid<false>(problem, capacity, order);
  for (size_t row = 0; row < problem.keys.size(); ++row) {
    EXPECT_THAT(smallest[row], ElementsAreArray(FindSmallest(problem, row, capacity, true)))
        << "row " << row << " of " << problem.keys[row].size() << ", limit " << problem.limits[row]
        << ", capacity " << capacity;
    EXPECT_THAT(first[row], ElementsAreArray(FindSmallest(problem, row, capacity, false)))
        << "without keys, row " << row;
  }
}

// Keys below `levels`, a tenth of the entries not candidates.
std::vector<int64_t> RandomKeys(int64_t count, uint64_t levels, std::mt19937_64& random) {
  std::vector<int64_t> keys;
  for (int64_t i = 0; i < count; ++i) {
    keys.push_back(random() % 10 == 0 ? -1 : static_cast<int64_t>(random() % levels));
  }
  return keys;
}

TEST(SelectSmallestTest, TakesTheSmallestAndTheFirstOfEqualOnes) {
  const Problem problem = {{{7, 3, -1, 3, 0xffffffff, 3, 0}}, {3}};
  for (const HostOrder order : kAllHostOrders) {
    EXPECT_THAT(SelectByGrid(problem, 5, order)[0], ElementsAre(1, 3, 6));
    EXPECT_THAT(SelectByGrid<false>(problem, 5, order)[0], ElementsAre(0, 1, 3));
  }
}

// The largest key is that of an entry like any other.
TEST(SelectSmallestTest, SelectsAllWhereMoreAreWanted) {
  const Problem problem = {{{0xffffffff, -1, 0, 0xffffffff}, {}, {-1, -1}}, {4, 4, 4}};
  for (const HostOrder order : kAllHostOrders) {
    const auto selected = SelectByGrid(problem, 4, order);
    EXPECT_THAT(selected[0], ElementsAre(0, 2, 3));
    EXPECT_THAT(selected[1], IsEmpty());
    EXPECT_THAT(selected[2], IsEmpty());
  }
}

TEST(SelectSmallestTest, LimitsAndCapacities) {
  std::mt19937_64 random(TestSeed());
  for (const int64_t capacity : {0, 1, 5, 300}) {
    Problem problem;
    for (const int64_t limit : {-3, 0, 1, 4, 5, 6, 269, 270, 271, 1000}) {
      problem.keys.push_back(RandomKeys(300, 50, random));
      problem.limits.push_back(limit);
    }
    ExpectRight(problem, capacity, kAllHostOrders[capacity % 3]);
  }
}

// Rows that end on, before and after the border of a part, beside longer ones; all keys different,
// many equal ones, and all equal, so that the bound's ties lie in several parts.
TEST(SelectSmallestTest, RowsOfSeveralParts) {
  std::mt19937_64 random(TestSeed());
  for (const uint64_t levels : {uint64_t{1} << 32, uint64_t{100}, uint64_t{1}}) {
    for (const int64_t limit : {int64_t{1}, int64_t{700}, kPart, 3 * kPart}) {
      Problem problem;
      for (const int64_t entries :
           {int64_t{0}, int64_t{1}, kPart - 1, kPart, kPart + 1, 2 * kPart, 3 * kPart + 5}) {
        problem.keys.push_back(RandomKeys(entries, levels, random));
        problem.limits.push_back(limit);
      }
      for (const HostOrder order : kAllHostOrders) ExpectRight(problem, limit, order);
    }
  }
}

// Keys that differ in one digit alone, each of the four.
TEST(SelectSmallestTest, KeysThatDifferInOneDigit) {
  for (const int shift : {0, 8, 16, 24}) {
    Problem problem = {{{}}, {100}};
    for (int64_t i = 0; i < 256; ++i) {
      const int64_t others = 0x5a5a5a5a & ~(int64_t{0xff} << shift);
      problem.keys[0].push_back(others | (i * 77 % 256) << shift);
    }
    ExpectRight(problem, 100, HostOrder::kReversed);
  }
}

TEST(SelectSmallestTest, NoRows) {
  EXPECT_THAT(SelectByGrid({}, 5, HostOrder::kForward), IsEmpty());
  EXPECT_THAT(SelectByGrid<false>({}, 5, HostOrder::kForward), IsEmpty());
}

TEST(SelectSmallestTest, MillionEntries) {
  std::mt19937_64 random(TestSeed());
  for (const uint64_t levels : {uint64_t{1} << 32, uint64_t{1}}) {
    const Problem problem = {{RandomKeys(1000000, levels, random)}, {500000}};
    EXPECT_EQ(SelectByGrid(problem, 500000, HostOrder::kForward)[0],
              FindSmallest(problem, 0, 500000, true));
  }
}

// Of the anchors of 16 images in a training step; of rows that end within a part, or on its border.
TEST(RowPartsTest, ABlockForEachPart) {
  EXPECT_EQ((RowParts{16, 268569}.Blocks()), 16 * 132);
  EXPECT_EQ((RowParts{3, 0}.Blocks()), 3);
  EXPECT_EQ((RowParts{3, kPart}.Blocks()), 3);
  const RowParts parts = {3, kPart + 1};
  EXPECT_EQ(parts.Blocks(), 6);
  EXPECT_EQ(parts.Row(5), 2);
  EXPECT_EQ(parts.First(5), kPart);
}

}  // namespace
}  // namespace rcnn::ops
