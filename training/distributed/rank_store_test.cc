// What needs several processes is in rank_group_test.cc.

#include "rcnn/training/distributed/rank_store.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
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
