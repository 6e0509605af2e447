#include "rcnn/training/trainer/proposal_exchange.h"

#include <ATen/ATen.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/ops/testing/far_device.h"
#include "rcnn/training/testing/run_ranks.h"

namespace rcnn::training {
namespace {

using ::testing::Each;

// `image` boxes.
at::Tensor Boxes(int64_t image) {
  return at::arange(4 * image, at::kFloat).view({image, 4}) + 100 * static_cast<float>(image);
}

// Two batches of three images, the first shared by three ranks, the second by two.
TEST(ProposalExchangeTest, GivesThoseOfAllImagesOfTheBatch) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) {
    const UpdateShare share = ShareOfUpdate(group->rank(), group->size(), 2);
    std::vector<at::Tensor> own;
    const int64_t first = 3 * share.iterations.begin;
    for (int64_t i = share.part.Begin(3); i < share.part.End(3); ++i) {
      own.push_back(Boxes(first + i));
    }
    ProposalExchange exchange(group, share);
    const std::vector<at::Tensor> all = exchange.Share(own);
    EXPECT_EQ(all.size(), 3u);
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_TRUE(at::equal(all[i], Boxes(first + static_cast<int64_t>(i)))) << i;
    }
    return absl::OkStatus();
  };
  EXPECT_THAT(RunRanks(5, work), Each(IsOk()));
}

// Of the ranks of a batch.
TEST(ProposalExchangeTest, TheCapacityIsTheLargest) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) {
    const UpdateShare share = ShareOfUpdate(group->rank(), group->size(), 2);
    ProposalExchange exchange(group, share);
    const SharedProposals all = exchange.ShareCounted({Boxes(1)}, 10 * group->rank());
    EXPECT_EQ(all.capacity, group->rank() < 2 ? 10 : 30);
    EXPECT_EQ(all.images.size(), 2u);
    return absl::OkStatus();
  };
  EXPECT_THAT(RunRanks(4, work), Each(IsOk()));
}

TEST(ProposalExchangeTest, ProposalsOfAnotherDeviceComeAsThoseOfTheCpu) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) {
    ProposalExchange exchange(group, ShareOfUpdate(group->rank(), group->size(), 1));
    const std::vector<at::Tensor> all =
        exchange.Share({Boxes(group->rank() + 1).to(ops::testing::FarDevice())});
    EXPECT_EQ(all.size(), 2u);
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_TRUE(all[i].is_cpu());
      EXPECT_TRUE(at::equal(all[i], Boxes(static_cast<int64_t>(i) + 1))) << i;
    }
    return absl::OkStatus();
  };
  EXPECT_THAT(RunRanks(2, work), Each(IsOk()));
}

TEST(ProposalExchangeTest, EveryRankKnowsThatOneHasFailed) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) -> absl::Status {
    ProposalExchange exchange(group, ShareOfUpdate(group->rank(), group->size(), 1));
    if (group->rank() == 1) {
      exchange.Abandon();
    } else {
      try {
        exchange.Share({});
        return absl::InternalError("not told");
      } catch (const OtherRankFailed& error) {
        EXPECT_THAT(error.connection(), IsOk());
      }
    }
    return group->Barrier();
  };
  EXPECT_THAT(RunRanks(3, work), Each(IsOk()));
}

TEST(ProposalExchangeTest, ABrokenConnectionIsTold) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) -> absl::Status {
    if (group->rank() == 1) return absl::DataLossError("torn");
    ProposalExchange exchange(group, ShareOfUpdate(group->rank(), group->size(), 1));
    try {
      exchange.Share({});
    } catch (const OtherRankFailed& error) {
      return error.connection();
    }
    return absl::OkStatus();
  };
  for (const absl::Status& status : RunRanks(2, work)) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr("torn")));
  }
}

}  // namespace
}  // namespace rcnn::training
