#include "rcnn/training/trainer/update_share.h"

#include <set>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Every image of every batch is taken once, and only where there are more ranks than batches is
// a batch divided.
TEST(UpdateShareTest, EveryImageIsTakenOnce) {
  constexpr int64_t kImages = 3;
  for (int64_t batches = 1; batches <= 9; ++batches) {
    for (int64_t ranks = 1; ranks <= 20; ++ranks) {
      std::multiset<std::pair<int64_t, int64_t>> taken;
      for (int64_t rank = 0; rank < ranks; ++rank) {
        const UpdateShare share = ShareOfUpdate(rank, ranks, batches);
        EXPECT_EQ(share.iterations.period, batches);
        EXPECT_LT(share.iterations.begin, share.iterations.end);
        EXPECT_LE(share.iterations.end, batches);
        EXPECT_TRUE(HasParts(ranks, batches) || !share.IsOfParts());
        EXPECT_EQ(share.first_rank + share.part.index, rank);
        for (int64_t b = share.iterations.begin; b < share.iterations.end; ++b) {
          for (int64_t i = share.part.Begin(kImages); i < share.part.End(kImages); ++i) {
            taken.insert({b, i});
          }
        }
      }
      EXPECT_EQ(taken.size(), static_cast<size_t>(batches * kImages)) << batches << " " << ranks;
      EXPECT_EQ(std::set(taken.begin(), taken.end()).size(), taken.size());
    }
  }
}

TEST(UpdateShareTest, SharesDifferByOneBatchAtMost) {
  for (int64_t batches = 1; batches <= 12; ++batches) {
    for (int64_t ranks = 1; ranks <= batches; ++ranks) {
      for (int64_t rank = 0; rank < ranks; ++rank) {
        const data::IterationShare share = ShareOfUpdate(rank, ranks, batches).iterations;
        EXPECT_GE(share.end - share.begin, batches / ranks);
        EXPECT_LE(share.end - share.begin, (batches + ranks - 1) / ranks);
      }
    }
  }
}

TEST(UpdateShareTest, NamesTheRanksOfOneBatch) {
  // 2 batches and 5 ranks: ranks 0, 1, 2 have the first, 3 and 4 the second.
  EXPECT_EQ(ShareOfUpdate(2, 5, 2).first_rank, 0);
  EXPECT_EQ(ShareOfUpdate(2, 5, 2).part.parts, 3);
  EXPECT_EQ(ShareOfUpdate(4, 5, 2).first_rank, 3);
  EXPECT_EQ(ShareOfUpdate(4, 5, 2).part.parts, 2);
  EXPECT_EQ(ShareOfUpdate(4, 5, 2).part.index, 1);
}

TEST(UpdateShareTest, NamesRanksWithoutImages) {
  EXPECT_THAT(RanksWithoutImages(2, 1, 2), IsEmpty());
  EXPECT_THAT(RanksWithoutImages(4, 8, 1), IsEmpty());
  EXPECT_THAT(RanksWithoutImages(2, 1, 1), ElementsAre(1));
  EXPECT_THAT(RanksWithoutImages(4, 2, 1), ElementsAre(1, 3));
}

}  // namespace
}  // namespace rcnn::training
