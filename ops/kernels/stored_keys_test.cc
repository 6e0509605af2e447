#include "rcnn/ops/kernels/stored_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "rcnn/ops/kernels/select_smallest.h"
#include "rcnn/ops/testing/host_arrays.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostArrays;
using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::TestSeed;
using ::testing::Each;

// Row r has begin[r + 1] - begin[r] entries. An entry's key is a function of its place; two of
// three entries are candidates.
struct PlacedKeys {
  int64_t FirstEntry(int64_t row) const { return begin[row]; }
  int64_t Entries(int64_t row) const { return begin[row + 1] - begin[row]; }
  int64_t Limit(int64_t row) const { return 7 * row; }
  bool Load(int64_t row, int64_t i, uint32_t* key) const {
    ++calls[begin[row] + i];
    if (i % 3 == 0) return false;
    *key = static_cast<uint32_t>(1000 * row + i);
    return true;
  }

  const int64_t* begin;
  int64_t* calls;
};

TEST(StoredKeysTest, ReadsWhatTheSourceComputesOnce) {
  const std::vector<int64_t> begin = {0, 5, 5, 5 + RowParts::kEntries, 9000, 9001};
  constexpr int64_t kRows = 5;
  for (const auto order : kAllHostOrders) {
    std::vector<int64_t> calls(begin.back());
    const PlacedKeys source = {begin.data(), calls.data()};
    HostArrays arrays;
    KeyStore store{};
    PlanKeys(source.FirstEntry(kRows), arrays, &store);
    HostGrid launch(order, TestSeed());
    const RowParts parts = {kRows, 9000 - (5 + RowParts::kEntries)};
    const StoredKeys<PlacedKeys> stored = StoreKeys(launch, parts, source, store);
    EXPECT_THAT(calls, Each(1));
    for (int64_t row = 0; row < kRows; ++row) {
      EXPECT_EQ(stored.Limit(row), 7 * row);
      ASSERT_EQ(stored.Entries(row), begin[row + 1] - begin[row]);
      for (int64_t i = 0; i < stored.Entries(row); ++i) {
        uint32_t key = 99;
        ASSERT_EQ(stored.Load(row, i, &key), i % 3 != 0) << row << " " << i;
        ASSERT_EQ(key, i % 3 == 0 ? 0 : 1000 * row + i) << row << " " << i;
      }
    }
    EXPECT_THAT(calls, Each(1));
  }
}

}  // namespace
}  // namespace rcnn::ops
