#include "rcnn/training/distributed/agreement.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/testing/run_ranks.h"

namespace rcnn::training {
namespace {

using ::testing::Each;

// Each rank has one of the statuses.
std::vector<absl::Status> AgreeOn(const std::vector<absl::Status>& statuses) {
  return RunRanks(static_cast<int>(statuses.size()), [&](const std::shared_ptr<RankGroup>& group) {
    const absl::Status agreed = Agree(*group, statuses[static_cast<size_t>(group->rank())]);
    // Nothing is broken by an error that all know.
    EXPECT_THAT(group->Barrier(), IsOk());
    return agreed;
  });
}

TEST(AgreementTest, AllHaveTheErrorOfTheFirstRankWithOne) {
  EXPECT_THAT(AgreeOn({absl::OkStatus(), absl::OkStatus()}), Each(IsOk()));
  EXPECT_THAT(
      AgreeOn({absl::OkStatus(), absl::DataLossError("torn\nfile"), absl::InternalError("later")}),
      Each(StatusIs(absl::StatusCode::kDataLoss, "rank 1: torn\nfile")));
}

TEST(AgreementTest, AnErrorCountsBeforeAShutdown) {
  EXPECT_THAT(AgreeOn({absl::CancelledError("stopped"), absl::OkStatus()}),
              Each(StatusIs(absl::StatusCode::kCancelled, "stopped")));
  EXPECT_THAT(AgreeOn({absl::CancelledError("stopped"), absl::DataLossError("torn")}),
              Each(StatusIs(absl::StatusCode::kDataLoss, "rank 1: torn")));
}

TEST(AgreementTest, AllHaveTheResultOfRankZero) {
  const auto work = [](const std::shared_ptr<RankGroup>& group) {
    const bool is_first = group->rank() == 0;
    const absl::StatusOr<std::string> bytes = ResultOfFirst(*group, is_first ? "a\nb" : "other");
    EXPECT_THAT(bytes, IsOkAndHolds("a\nb"));
    absl::StatusOr<std::string> mine = "other";
    if (is_first) mine = absl::NotFoundError("none");
    const absl::StatusOr<std::string> error = ResultOfFirst(*group, mine);
    EXPECT_THAT(error, StatusIs(absl::StatusCode::kNotFound, "none"));
    return absl::OkStatus();
  };
  EXPECT_THAT(RunRanks(3, work), Each(IsOk()));
}

}  // namespace
}  // namespace rcnn::training
