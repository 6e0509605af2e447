#include "rcnn/training/testing/run_ranks.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/distributed/free_port.h"

namespace rcnn::training {
namespace {

absl::Status RunRank(const RankEnvironment& environment,
                     const std::function<absl::Status(std::shared_ptr<RankGroup>)>& work) {
  at::set_num_threads(1);
  RankGroupOptions options;
  options.collective_timeout = absl::Seconds(60);
  options.roll_call = absl::Seconds(1);
  absl::StatusOr<std::unique_ptr<RankGroup>> group = RankGroup::Join(environment, options);
  EXPECT_THAT(group, IsOk());
  if (!group.ok()) return group.status();
  const std::shared_ptr<RankGroup> shared = *std::move(group);
  absl::Status status = work(shared);
  if (!status.ok()) shared->ReportFailure(status);
  return status;
}

}  // namespace

std::vector<absl::Status> RunRanks(
    int ranks, const std::function<absl::Status(std::shared_ptr<RankGroup>)>& work) {
  at::set_num_threads(1);
  if (ranks == 1) return {work(nullptr)};
  std::vector<absl::Status> results(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  const int port = FreePort();
  for (int rank = 0; rank < ranks; ++rank) {
    RankEnvironment environment;
    environment.rank = environment.local_rank = rank;
    environment.world_size = ranks;
    environment.master_address = "127.0.0.1";
    environment.master_port = port;
    threads.emplace_back([&results, &work, environment] {
      results[static_cast<size_t>(environment.rank)] = RunRank(environment, work);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

}  // namespace rcnn::training
