#include "rcnn/data/loader/block_order.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

using ::testing::Each;
using ::testing::Le;

BlockOrderOptions Options(int64_t images, int64_t blocks) {
  BlockOrderOptions options;
  options.images = images;
  options.blocks = blocks;
  options.batches = images;
  return options;
}

std::vector<EpochEntry> Entries(int64_t images) {
  std::vector<EpochEntry> entries;
  for (int64_t i = 0; i < images; ++i) entries.push_back({i, false});
  return entries;
}

// Orders entries, shuffled before by `epoch`, and mixes by shuffling.
std::vector<EpochEntry> Order(const BlockOrderOptions& options, int64_t epoch = 0) {
  RandomStream random({.seed = 1, .stage = "test", .step = epoch, .purpose = "epoch order"});
  std::vector<EpochEntry> entries = Entries(options.images);
  random.Shuffle(entries);
  const auto mix = [&](std::vector<EpochEntry> pool) {
    random.Shuffle(pool);
    return pool;
  };
  return OrderByBlocks(std::move(entries), options, mix, random);
}

// By the definition: the k with n k / B <= index < n (k + 1) / B.
int64_t FindBlock(int64_t index, const BlockOrderOptions& options) {
  int64_t k = 0;
  while (options.images * (k + 1) / options.blocks <= index) ++k;
  return k;
}

// How many blocks are begun and not finished at each entry of a sequence.
std::vector<int64_t> CountOpenBlocks(const std::vector<EpochEntry>& entries,
                                     const BlockOrderOptions& options) {
  std::map<int64_t, size_t> last;
  for (size_t i = 0; i < entries.size(); ++i) last[FindBlock(entries[i].index, options)] = i;
  std::vector<int64_t> counts;
  std::set<int64_t> open;
  for (size_t i = 0; i < entries.size(); ++i) {
    const int64_t block = FindBlock(entries[i].index, options);
    open.insert(block);
    counts.push_back(static_cast<int64_t>(open.size()));
    if (last[block] == i) open.erase(block);
  }
  return counts;
}

std::vector<EpochEntry> TakeStream(const std::vector<EpochEntry>& entries, int64_t stream,
                                   const BlockOrderOptions& options) {
  std::vector<EpochEntry> own;
  for (int64_t batch = 0; batch < options.batches; ++batch) {
    if ((options.first_batch + batch) % options.streams != stream) continue;
    for (int64_t i = 0; i < options.batch_size; ++i) {
      own.push_back(entries[static_cast<size_t>(batch * options.batch_size + i)]);
    }
  }
  return own;
}

std::vector<int64_t> Sorted(const std::vector<EpochEntry>& entries) {
  std::vector<int64_t> indices;
  for (const EpochEntry& entry : entries) indices.push_back(entry.index);
  std::sort(indices.begin(), indices.end());
  return indices;
}

TEST(BlockOrderTest, KeepsEveryEntry) {
  for (const int64_t images : {1, 7, 50}) {
    for (const int64_t blocks : {1, 3, 50, 1000}) {
      BlockOrderOptions options = Options(images, blocks);
      options.streams = 4;
      options.first_batch = 6;
      EXPECT_EQ(Sorted(Order(options)), Sorted(Entries(images)));
    }
  }
}

TEST(BlockOrderTest, MixesAFewBlocksAtATime) {
  for (const int64_t mixed : {1, 2, 3}) {
    BlockOrderOptions options = Options(97, 10);
    options.mixed_blocks = mixed;
    const std::vector<int64_t> open = CountOpenBlocks(Order(options), options);
    EXPECT_THAT(open, Each(Le(mixed)));
    EXPECT_EQ(*std::max_element(open.begin(), open.end()), mixed);
  }
}

TEST(BlockOrderTest, StreamsHaveBlocksOfTheirOwn) {
  BlockOrderOptions options = Options(103, 20);
  options.streams = 4;
  options.batch_size = 2;
  options.batches = 51;
  options.mixed_blocks = 2;
  for (const int64_t first : {0, 51, 102}) {
    options.first_batch = first;
    const std::vector<EpochEntry> entries = Order(options, first);
    std::set<std::pair<int64_t, int64_t>> pairs;
    for (int64_t stream = 0; stream < 4; ++stream) {
      const std::vector<EpochEntry> own = TakeStream(entries, stream, options);
      EXPECT_THAT(CountOpenBlocks(own, options), Each(Le(2)));
      for (const EpochEntry& entry : own) {
        pairs.emplace(FindBlock(entry.index, options), stream);
      }
    }
    // Each of the three boundaries may cut a block.
    EXPECT_LE(pairs.size(), 23u);
  }
}

TEST(BlockOrderTest, BlocksComeInAnotherOrderInEveryEpoch) {
  const BlockOrderOptions options = Options(40, 4);
  std::set<int64_t> first;
  for (int64_t epoch = 0; epoch < 50; ++epoch) {
    first.insert(FindBlock(Order(options, epoch)[0].index, options));
  }
  EXPECT_EQ(first.size(), 4u);
}

TEST(BlockOrderTest, EveryImageIsEquallyLikelyToBeLeftOver) {
  BlockOrderOptions options = Options(10, 3);
  options.batch_size = 4;
  options.batches = 2;
  std::map<int64_t, int> left;
  for (int64_t epoch = 0; epoch < 5000; ++epoch) {
    const std::vector<EpochEntry> entries = Order(options, epoch);
    for (size_t i = 8; i < 10; ++i) ++left[entries[i].index];
  }
  // Binomial: mean 1000, standard deviation 28.
  for (int64_t i = 0; i < 10; ++i) EXPECT_NEAR(left[i], 1000, 140) << i;
}

// Groups of 3, of which the mixing leaves the surplus at the end.
TEST(BlockOrderTest, WhatFillsNoGroupIsMixedWithTheNextBlocks) {
  BlockOrderOptions options = Options(40, 4);
  options.group = 3;
  std::vector<size_t> sizes;
  RandomStream random({.seed = 1, .stage = "test", .step = 0, .purpose = "epoch order"});
  const auto mix = [&](std::vector<EpochEntry> pool) {
    sizes.push_back(pool.size());
    return pool;
  };
  const std::vector<EpochEntry> ordered = OrderByBlocks(Entries(40), options, mix, random);
  EXPECT_THAT(sizes, ::testing::ElementsAre(10, 11, 12, 10));
  EXPECT_EQ(Sorted(ordered), Sorted(Entries(40)));
}

}  // namespace
}  // namespace rcnn::data
