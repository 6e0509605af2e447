// One rank of rank_group_test that is killed, or waits for one that is: joins a group, does what
// its argument says, and prints the error that it gets.
//
//   rank_group_process dies|first_dies

#include <ATen/ops/zeros.h>
#include <signal.h>

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/distributed/rank_environment.h"
#include "rcnn/training/distributed/rank_group.h"

namespace rcnn::training {
namespace {

// Rank 0 dies, or rank 1. The others wait for rank 0 alone, in the network or at shared memory.
absl::Status Run(bool first_dies) {
  RankGroupOptions options;
  options.roll_call = absl::Seconds(1);
  RCNN_ASSIGN_OR_RETURN(const RankEnvironment ranks, ReadRankEnvironment(EnvironmentVariables()));
  RCNN_ASSIGN_OR_RETURN(const std::unique_ptr<RankGroup> group, RankGroup::Join(ranks, options));
  if (group->rank() == (first_dies ? 0 : 1)) raise(SIGKILL);
  if (group->rank() == 1) return group->Await().status();
  return group->rank() == 2 ? group->Sum(at::zeros({8})) : group->Barrier();
}

}  // namespace
}  // namespace rcnn::training

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const absl::Status status = rcnn::training::Run(absl::string_view(argv[1]) == "first_dies");
  if (status.ok()) return 0;
  std::printf("error: %s\n", std::string(status.message()).c_str());
  return 1;
}
