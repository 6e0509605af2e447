// What needs several processes is in rank_group_test.cc.

#include "rcnn/training/distributed/rank_store.h"

#include <torch/version.h>

#include <nlohmann/json.hpp>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/program.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/distributed/free_port.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

RankEnvironment Ranks(int rank, int world_size, int port) {
  RankEnvironment ranks;
  ranks.rank = rank;
  ranks.world_size = world_size;
  ranks.master_address = "127.0.0.1";
  ranks.master_port = port;
  return ranks;
}

TEST(RankStoreTest, NamesRanks) {
  EXPECT_EQ(RankNames({2}), "rank 2");
  EXPECT_EQ(RankNames({1, 3}), "ranks 1 and 3");
  EXPECT_EQ(RankNames({0, 1, 3}), "ranks 0, 1 and 3");
}

// Rank 0 says of itself what another program would.
TEST(RankStoreTest, RefusesRanksOfTwoProgramVersions) {
  const std::tuple<std::string, std::string, std::string> cases[] = {
      {"0.0.1", TORCH_VERSION, absl::StrCat("rank 0 has rcnn 0.0.1, rank 1 has rcnn ", Version())},
      {Version(), "1.12.1", "rank 0 has LibTorch 1.12.1, rank 1 has LibTorch " TORCH_VERSION}};
  for (const auto& [rcnn, libtorch, words] : cases) {
    const int port = FreePort();
    const auto first = RankStore::Connect(Ranks(0, 2, port), absl::Seconds(20));
    const auto second = RankStore::Connect(Ranks(1, 2, port), absl::Seconds(20));
    ASSERT_THAT(first, IsOk());
    ASSERT_THAT(second, IsOk());
    const nlohmann::json member = {{"world_size", 2},
                                   {"rcnn", rcnn},
                                   {"LibTorch", libtorch},
                                   {"process", "process 1 on node1"}};
    (*first)->store()->set("member/0", nlohmann::json::to_msgpack(member));
    EXPECT_THAT((*second)->Meet(absl::Seconds(20)),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(words)));
    // Rank 0 hears of it too.
    EXPECT_THAT((*first)->ReportedFailure(),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(words)));
  }
}

TEST(RankStoreTest, AnErrorReachesTheOthersUnlessOneCameBefore) {
  const int port = FreePort();
  const auto first = RankStore::Connect(Ranks(0, 2, port), absl::Seconds(20));
  const auto second = RankStore::Connect(Ranks(1, 2, port), absl::Seconds(20));
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT((*second)->Report(absl::DataLossError("torn")),
              StatusIs(absl::StatusCode::kDataLoss, "torn"));
  EXPECT_THAT((*first)->Announce("next"), StatusIs(absl::StatusCode::kDataLoss, "torn"));
  EXPECT_THAT((*first)->Report(absl::InternalError("another")),
              StatusIs(absl::StatusCode::kInternal, "another"));
  EXPECT_THAT((*second)->Await(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("torn")));
  // Both leave at the same time: the host waits for the other.
}

}  // namespace
}  // namespace rcnn::training
