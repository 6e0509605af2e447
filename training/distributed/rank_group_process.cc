// One rank of rank_group_test that is killed or stopped, or waits for one that is: joins a group,
// does what its argument says, and prints the error that it gets.
//
//   rank_group_process dies|died_before|first_dies|first_stops|joins

#include <ATen/ops/zeros.h>
#include <signal.h>

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/distributed/rank_environment.h"
#include "rcnn/training/distributed/rank_group.h"

namespace rcnn::training {
namespace {

// Rank 1 dies, and the others wait in the network; in "died_before" they begin when its connections
// are closed, so that rank 2 fails before it has sent anything to rank 3. Or rank 0 dies or stops;
// then rank 1 waits for it alone or in the network, and rank 2 at shared memory. In "joins"
// something else listens for rank 0.
absl::Status Run(absl::string_view scenario) {
  const bool stops = scenario == "first_stops";
  RankGroupOptions options;
  options.roll_call = absl::Seconds(1);
  if (stops) options.collective_timeout = absl::Seconds(1);
  if (scenario == "joins") options.join_timeout = absl::Seconds(5);
  RCNN_ASSIGN_OR_RETURN(const RankEnvironment ranks, ReadRankEnvironment(EnvironmentVariables()));
  RCNN_ASSIGN_OR_RETURN(const std::unique_ptr<RankGroup> group, RankGroup::Join(ranks, options));
  const bool second_dies = scenario == "dies" || scenario == "died_before";
  if (group->rank() == (second_dies ? 1 : 0)) raise(stops ? SIGSTOP : SIGKILL);
  if (scenario == "died_before") absl::SleepFor(absl::Milliseconds(500));
  if (group->rank() == 1 && scenario == "first_dies") return group->Await().status();
  const bool shares_memory = group->rank() == 2 && !second_dies;
  return shares_memory ? group->Sum(at::zeros({8})) : group->Barrier();
}

}  // namespace
}  // namespace rcnn::training

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const absl::Status status = rcnn::training::Run(argv[1]);
  if (status.ok()) return 0;
  std::printf("error: %s\n", std::string(status.message()).c_str());
  return 1;
}
