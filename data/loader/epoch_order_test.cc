#include "rcnn/data/loader/epoch_order.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using configs::BatchingConfig;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Every third image is higher than wide.
std::vector<bool> Wide(int64_t n) {
  std::vector<bool> is_wide;
  for (int64_t i = 0; i < n; ++i) is_wide.push_back(i % 3 != 0);
  return is_wide;
}

std::vector<EpochImage> Images(int64_t n) {
  std::vector<EpochImage> images;
  for (const bool wide : Wide(n)) images.push_back({wide ? 0 : 1});
  return images;
}

EpochOrderOptions Options(int32_t images_per_batch) {
  EpochOrderOptions options;
  options.seed = 3;
  options.stage = "rpn1";
  options.batching.set_images_per_batch(images_per_batch);
  return options;
}

EpochOrder Make(int64_t n, const EpochOrderOptions& options) {
  absl::StatusOr<EpochOrder> order = EpochOrder::Create(Images(n), options);
  EXPECT_THAT(order, IsOk());
  return *std::move(order);
}

std::set<std::pair<int64_t, bool>> MakeSet(absl::Span<const EpochEntry> entries) {
  std::set<std::pair<int64_t, bool>> set;
  for (const EpochEntry& entry : entries) set.emplace(entry.index, entry.flipped);
  return set;
}

TEST(EpochOrderTest, AnEpochHoldsEveryImageOnce) {
  for (const bool grouped : {false, true}) {
    for (const int64_t n : {1, 2, 7, 10, 101}) {
      EpochOrderOptions options = Options(1);
      options.batching.set_group_by_aspect(grouped);
      const std::vector<EpochEntry> epoch = Make(n, options).Epoch(4);
      EXPECT_EQ(epoch.size(), static_cast<size_t>(n));
      EXPECT_EQ(MakeSet(epoch).size(), static_cast<size_t>(n));
    }
  }
}

TEST(EpochOrderTest, DoubledEpochHoldsEveryImageAndItsMirrorImage) {
  EpochOrderOptions options = Options(2);
  options.with_mirror_images = true;
  const EpochOrder order = Make(7, options);
  const std::vector<EpochEntry> epoch = order.Epoch(0);
  EXPECT_EQ(epoch.size(), 14u);
  EXPECT_EQ(MakeSet(epoch).size(), 14u);
  EXPECT_EQ(order.batches_per_epoch(), 7);
}

TEST(EpochOrderTest, TheOrderDependsOnSeedStageAndEpochOnly) {
  const std::vector<EpochEntry> epoch = Make(50, Options(2)).Epoch(5);
  EXPECT_EQ(Make(50, Options(2)).Epoch(5), epoch);
  EXPECT_NE(Make(50, Options(2)).Epoch(6), epoch);
  EpochOrderOptions other = Options(2);
  other.seed = 4;
  EXPECT_NE(Make(50, other).Epoch(5), epoch);
  other = Options(2);
  other.stage = "rpn2";
  EXPECT_NE(Make(50, other).Epoch(5), epoch);
}

// The order is part of what a resumed run relies on: it never changes.
TEST(EpochOrderTest, TheOrderIsTheSameInEveryVersion) {
  std::string text;
  for (const EpochEntry& entry : Make(10, Options(2)).Epoch(0)) {
    text += std::to_string(entry.index) + " ";
  }
  EXPECT_EQ(text, "1 4 8 7 9 0 2 5 3 6 ");
}

TEST(EpochOrderTest, AtMostOneGroupMixesLandscapeAndPortrait) {
  for (const int32_t size : {1, 2, 4}) {
    for (const int64_t n : {20, 21, 57}) {
      EpochOrderOptions options = Options(size);
      options.batching.set_tail(BatchingConfig::KEEP_INCOMPLETE);
      const std::vector<EpochEntry> epoch = Make(n, options).Epoch(1);
      const std::vector<bool> wide = Wide(n);
      const size_t group = std::max(2, size);
      int mixed = 0;
      for (size_t begin = 0; begin + group <= epoch.size(); begin += group) {
        int wide_in_group = 0;
        for (size_t i = begin; i < begin + group; ++i) wide_in_group += wide[epoch[i].index];
        mixed += wide_in_group > 0 && wide_in_group < static_cast<int>(group);
      }
      EXPECT_LE(mixed, 1) << size << " " << n;
    }
  }
}

TEST(EpochOrderTest, WithoutGroupingBatchesMix) {
  EpochOrderOptions options = Options(2);
  options.batching.set_group_by_aspect(false);
  const std::vector<EpochEntry> epoch = Make(300, options).Epoch(0);
  int mixed = 0;
  for (size_t i = 0; i < epoch.size(); i += 2) {
    mixed += (epoch[i].index % 3 != 0) != (epoch[i + 1].index % 3 != 0);
  }
  // A share of 2 * 1/3 * 2/3 of 150 pairs, standard deviation 6.1.
  EXPECT_NEAR(mixed, 66.7, 25);
}

TEST(EpochOrderTest, ImagesAreEquallyLikely) {
  std::map<int64_t, int> first, last;
  const EpochOrder order = Make(9, Options(2));
  for (int64_t epoch = 0; epoch < 9000; ++epoch) {
    const std::vector<EpochEntry> entries = order.Epoch(epoch);
    ++first[entries.front().index];
    ++last[entries.back().index];
  }
  // The last image is the surplus: 1000 expected, standard deviation 30.
  for (int64_t i = 0; i < 9; ++i) EXPECT_NEAR(last[i], 1000, 150) << i;
  // In a group of both kinds the wide one comes first, so the kinds differ.
  const double high = (first[0] + first[3] + first[6]) / 3.0;
  for (int64_t i = 0; i < 9; ++i) {
    EXPECT_NEAR(first[i], i % 3 == 0 ? high : (9000 - 3 * high) / 6, 150) << i;
  }
}

TEST(EpochOrderTest, TailDeterminesTheNumberOfBatches) {
  const auto batches = [](int64_t n, int32_t size, BatchingConfig::Tail tail) {
    EpochOrderOptions options = Options(size);
    options.batching.set_tail(tail);
    return Make(n, options).batches_per_epoch();
  };
  EXPECT_EQ(batches(10, 2, BatchingConfig::DROP_INCOMPLETE), 5);
  EXPECT_EQ(batches(11, 2, BatchingConfig::DROP_INCOMPLETE), 5);
  EXPECT_EQ(batches(11, 2, BatchingConfig::KEEP_INCOMPLETE), 6);
  EXPECT_EQ(batches(10, 2, BatchingConfig::DROP_LAST_BATCH), 4);
  EXPECT_EQ(batches(11, 2, BatchingConfig::DROP_LAST_BATCH), 5);
  EXPECT_EQ(batches(10022, 1, BatchingConfig::DROP_LAST_BATCH), 10021);
  EXPECT_EQ(batches(1, 1, BatchingConfig::DROP_LAST_BATCH), 1);
}

TEST(EpochOrderTest, BatchesFollowOneAnother) {
  EpochOrderOptions options = Options(4);
  options.batching.set_tail(BatchingConfig::KEEP_INCOMPLETE);
  const EpochOrder order = Make(10, options);
  const std::vector<EpochEntry> epoch = order.Epoch(0);
  std::vector<EpochEntry> joined;
  for (int64_t batch = 0; batch < order.batches_per_epoch(); ++batch) {
    for (const EpochEntry& entry : order.Batch(epoch, batch)) joined.push_back(entry);
  }
  EXPECT_EQ(joined, epoch);
  EXPECT_EQ(order.Batch(epoch, 2).size(), 2u);
}

TEST(EpochOrderTest, InOrderVisitsEachImageOnceUnmirrored) {
  EpochOrderOptions options = Options(3);
  options.shuffle = false;
  const EpochOrder order = Make(7, options);
  EXPECT_EQ(order.batches_per_epoch(), 3);
  const std::vector<EpochEntry> epoch = order.Epoch(0);
  for (int64_t i = 0; i < 7; ++i) EXPECT_EQ(epoch[i], (EpochEntry{i, false}));
  EXPECT_EQ(order.Batch(epoch, 2).size(), 1u);
}

TEST(EpochOrderTest, ImpossibleOptionsAreErrors) {
  const auto error = [](int64_t n, const EpochOrderOptions& options) {
    return EpochOrder::Create(Images(n), options).status();
  };
  EXPECT_THAT(error(5, Options(0)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("images_per_batch is 0")));
  EXPECT_THAT(
      error(3, Options(4)),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("an epoch of 3 images is too small for a batch of 4; add images, or "
                         "lower batching.images_per_batch")));
  EXPECT_THAT(error(0, Options(1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("an epoch of 0 images")));
  EpochOrderOptions options = Options(1);
  options.shuffle = false;
  EXPECT_EQ(Make(0, options).batches_per_epoch(), 0);
}

// Image i has 1 + i / 4 repeats.
TEST(EpochOrderTest, ImagesAreRepeatedAsOftenAsWanted) {
  for (const bool mirrored : {false, true}) {
    std::vector<EpochImage> images;
    for (int i = 0; i < 9; ++i) images.push_back({0, 1 + i / 4.0});
    EpochOrderOptions options = Options(2);
    options.with_mirror_images = mirrored;
    const auto order = EpochOrder::Create(images, options);
    ASSERT_THAT(order, IsOk());
    const int sides = mirrored ? 2 : 1;
    std::map<int64_t, int> count;
    for (int64_t epoch = 0; epoch < 4000; ++epoch) {
      const std::vector<EpochEntry> entries = order->Epoch(epoch);
      ASSERT_EQ(entries.size(), static_cast<size_t>(18 * sides));
      std::map<int64_t, int> in_epoch;
      for (const EpochEntry& entry : entries) ++in_epoch[2 * entry.index + entry.flipped];
      for (int64_t i = 0; i < 9; ++i) {
        EXPECT_GE(in_epoch[2 * i], 1 + i / 4);
        EXPECT_LE(in_epoch[2 * i], 1 + (i + 3) / 4);
        count[i] += in_epoch[2 * i];
      }
    }
    // The standard deviation is at most 4000 ^ 0.5 / 2 = 32.
    for (int64_t i = 0; i < 9; ++i) EXPECT_NEAR(count[i], 4000 + 1000 * i, 160) << i;
  }
}

TEST(EpochOrderTest, RepeatsOutOfRangeAreAnError) {
  for (const double repeats : {0.5, 0.0, -1.0, std::nan(""), HUGE_VAL}) {
    std::vector<EpochImage> images(3);
    images[1].repeats = repeats;
    for (const bool shuffle : {false, true}) {
      EpochOrderOptions options = Options(1);
      options.shuffle = shuffle;
      EXPECT_THAT(EpochOrder::Create(images, options),
                  StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("repeats of image 1 is ")))
          << repeats;
    }
  }
}

TEST(EpochOrderTest, RepeatsOfOneImageAreApart) {
  std::vector<EpochImage> images(100);
  images[0].repeats = 20;
  const auto order = EpochOrder::Create(images, Options(2));
  ASSERT_THAT(order, IsOk());
  int pairs = 0;
  for (int64_t epoch = 0; epoch < 50; ++epoch) {
    const std::vector<EpochEntry> entries = order->Epoch(epoch);
    for (size_t i = 1; i < entries.size(); ++i) {
      pairs += entries[i - 1].index == 0 && entries[i].index == 0;
    }
  }
  // 20 * 19 / 119 of each epoch are expected where the order is random.
  EXPECT_NEAR(pairs / 50.0, 20 * 19 / 119.0, 1);
}

// 60 images in 6 blocks of 10.
EpochOrderOptions InBlocks(int32_t images_per_batch, int64_t streams) {
  EpochOrderOptions options = Options(images_per_batch);
  options.batching.set_shuffle_blocks(6);
  options.batching.set_mixed_blocks(2);
  options.streams = streams;
  return options;
}

TEST(EpochOrderTest, BlocksHoldEveryImageOnce) {
  for (const bool grouped : {false, true}) {
    for (const int32_t size : {1, 2, 7}) {
      for (const int64_t streams : {1, 3, 100}) {
        EpochOrderOptions options = InBlocks(size, streams);
        options.batching.set_group_by_aspect(grouped);
        options.batching.set_tail(BatchingConfig::KEEP_INCOMPLETE);
        const std::vector<EpochEntry> epoch = Make(60, options).Epoch(4);
        EXPECT_EQ(epoch.size(), 60u);
        EXPECT_EQ(MakeSet(epoch).size(), 60u);
      }
    }
  }
}

// Of 60 images and batches of 2, each of 3 streams has 10 batches: 2 blocks of 10 images.
TEST(EpochOrderTest, EachBatchOfAnUpdateReadsItsOwnBlocks) {
  const EpochOrder order = Make(60, InBlocks(2, 3));
  ASSERT_EQ(order.batches_per_epoch(), 30);
  for (const int64_t epoch_number : {0, 1, 7}) {
    const std::vector<EpochEntry> epoch = order.Epoch(epoch_number);
    std::map<int64_t, std::set<int64_t>> blocks;
    for (int64_t batch = 0; batch < 30; ++batch) {
      const int64_t iteration = epoch_number * 30 + batch;
      for (const EpochEntry& entry : order.Batch(epoch, batch)) {
        blocks[iteration % 3].insert(entry.index / 10);
      }
    }
    for (int64_t stream = 0; stream < 3; ++stream) EXPECT_EQ(blocks[stream].size(), 2u);
  }
}

TEST(EpochOrderTest, BlocksOfOneShapeAreGroupedInTheirWindow) {
  const EpochOrder order = Make(60, InBlocks(2, 1));
  const std::vector<EpochEntry> epoch = order.Epoch(3);
  const std::vector<bool> wide = Wide(60);
  int mixed = 0;
  for (size_t i = 0; i < epoch.size(); i += 2) {
    mixed += wide[epoch[i].index] != wide[epoch[i + 1].index];
  }
  // Three windows of two blocks, each with at most one group that mixes.
  EXPECT_LE(mixed, 3);
}

TEST(EpochOrderTest, RepeatedImagesStayInTheirBlocks) {
  std::vector<EpochImage> images(60);
  for (int i = 0; i < 30; ++i) images[static_cast<size_t>(i)].repeats = 2;
  const auto order = EpochOrder::Create(images, InBlocks(1, 1));
  ASSERT_THAT(order, IsOk());
  const std::vector<EpochEntry> epoch = order->Epoch(0);
  ASSERT_EQ(epoch.size(), 90u);
  std::map<int64_t, std::pair<size_t, size_t>> range;
  for (size_t i = 0; i < epoch.size(); ++i) {
    const auto place = range.try_emplace(epoch[i].index / 10, i, i).first;
    place->second.second = i;
  }
  // Two blocks of 20 entries, and one that a pair of entries may delay.
  for (const auto& [block, span] : range) EXPECT_LE(span.second - span.first, 42u) << block;
}

TEST(EpochOrderTest, OptionsOfBlocksAreChecked) {
  EpochOrderOptions options = InBlocks(1, 1);
  options.batching.set_shuffle_blocks(-1);
  EXPECT_THAT(EpochOrder::Create(Images(9), options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("shuffle_blocks is -1")));
  options = InBlocks(1, 1);
  options.batching.set_mixed_blocks(0);
  EXPECT_THAT(EpochOrder::Create(Images(9), options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("mixed_blocks is 0")));
  EXPECT_THAT(EpochOrder::Create(Images(9), InBlocks(1, 0)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("streams is 0")));
}

TEST(EpochOrderTest, BatchesHoldNeighbouringShapes) {
  std::vector<EpochImage> images;
  for (int i = 0; i < 64; ++i) images.push_back({i % 16});
  const auto order = EpochOrder::Create(images, Options(4));
  ASSERT_THAT(order, IsOk());
  const std::vector<EpochEntry> entries = order->Epoch(0);
  for (size_t begin = 0; begin < entries.size(); begin += 4) {
    for (size_t i = 1; i < 4; ++i) {
      EXPECT_EQ(entries[begin + i].index % 16, entries[begin].index % 16);
    }
  }
}

}  // namespace
}  // namespace rcnn::data
