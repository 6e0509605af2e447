// One rank of rank_group_test: joins a group, does what its argument says, and prints what it
// gets, or the error.
//
//   rank_group_process SCENARIO [JOIN_SECONDS [COLLECTIVE_SECONDS]]

#include <ATen/ATen.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "rcnn/base/runtime.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/distributed/rank_environment.h"
#include "rcnn/training/distributed/rank_group.h"

namespace rcnn::training {
namespace {

void Print(const std::string& text) {
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

// Values whose sum depends on the order of the additions.
at::Tensor Uneven(int rank, int64_t count) {
  return at::arange(count, at::kFloat)
      .add(1)
      .mul(rank == 0 ? 1e8f : 0.1f * static_cast<float>(rank));
}

absl::Status Sums(RankGroup& group) {
  // A multiple of the ranks, not one, fewer than the ranks, and none.
  for (const int64_t count : {64, 1001, 1, 0}) {
    at::Tensor expected = Uneven(0, count);
    for (int rank = 1; rank < group.size(); ++rank) expected.add_(Uneven(rank, count));
    at::Tensor values = Uneven(group.rank(), count);
    RCNN_RETURN_IF_ERROR(group.Sum(values));
    Print(absl::StrCat("sum of ", count, at::equal(values, expected) ? " equal" : " differs"));
  }
  return absl::OkStatus();
}

absl::Status Bytes(RankGroup& group) {
  const std::string mine(static_cast<size_t>(3 * group.rank()),
                         static_cast<char>('a' + group.rank()));
  RCNN_ASSIGN_OR_RETURN(const auto all, group.AllGather(mine));
  Print(absl::StrCat("all: ", absl::StrJoin(all, "|")));
  RCNN_ASSIGN_OR_RETURN(const auto gathered, group.Gather(mine));
  Print(absl::StrCat("gathered: ", absl::StrJoin(gathered, "|")));
  RCNN_ASSIGN_OR_RETURN(const std::string first,
                        group.Broadcast(absl::StrCat("of rank ", group.rank())));
  Print(absl::StrCat("broadcast: ", first));
  RCNN_ASSIGN_OR_RETURN(const std::string nothing, group.Broadcast(""));
  Print(absl::StrCat("nothing: ", nothing.size()));
  return group.Barrier();
}

absl::Status Tensors(RankGroup& group) {
  at::Tensor counts = at::full({3}, group.rank() + 5, at::kLong);
  RCNN_RETURN_IF_ERROR(group.Broadcast(counts));
  at::Tensor turned = at::full({2, 3}, static_cast<float>(group.rank())).t();
  RCNN_RETURN_IF_ERROR(group.Broadcast(turned));
  Print(absl::StrCat("tensors: ", counts.sum().item<int64_t>(), " ", turned.sum().item<float>()));
  return absl::OkStatus();
}

absl::Status Announcements(RankGroup& group) {
  for (const char* text : {"first", "", "third"}) {
    if (group.rank() == 0) {
      absl::SleepFor(absl::Milliseconds(100));
      RCNN_RETURN_IF_ERROR(group.Announce(text));
      continue;
    }
    RCNN_ASSIGN_OR_RETURN(const std::string heard, group.Await());
    Print(absl::StrCat("heard: ", heard));
  }
  return absl::OkStatus();
}

// The last rank finds something wrong while the others are in a collective, or wait for rank 0.
absl::Status Fails(RankGroup& group) {
  if (group.rank() == group.size() - 1) {
    absl::SleepFor(absl::Milliseconds(300));
    const absl::Status error = absl::DataLossError("3.jpg: torn");
    group.ReportFailure(error);
    return error;
  }
  return group.rank() == 1 ? group.Await().status() : group.Barrier();
}

absl::Status Dies(RankGroup& group) {
  if (group.rank() == 1) raise(SIGKILL);
  return group.Barrier();
}

// The others know it before they begin, so that rank 2 fails at once, without a message to rank 3,
// which waits for one.
absl::Status DiedBefore(RankGroup& group) {
  if (group.rank() == 1) raise(SIGKILL);
  absl::SleepFor(absl::Milliseconds(500));
  return group.Barrier();
}

absl::Status FirstDies(RankGroup& group) {
  if (group.rank() == 0) raise(SIGKILL);
  return group.rank() == 1 ? group.Await().status() : group.Barrier();
}

absl::Status Hangs(RankGroup& group) {
  if (group.rank() == 1) {
    absl::SleepFor(absl::Seconds(20));
    return absl::OkStatus();
  }
  return group.Barrier();
}

absl::Status ChecksSame(RankGroup& group) {
  const bool last = group.rank() == group.size() - 1;
  RCNN_RETURN_IF_ERROR(group.CheckSame({{"seed", "3"}, {"data.train", "af01"}}));
  Print("the same");
  return group.CheckSame({{"seed", "3"}, {"data.train", last ? "77b2" : "af01"}});
}

absl::Status ChecksMore(RankGroup& group) {
  Facts facts = {{"seed", "3"}};
  if (group.rank() > 0) facts.emplace_back("rate", "0.1");
  return group.CheckSame(facts);
}

absl::Status Run(const std::string& scenario, const RankGroupOptions& options) {
  const std::map<std::string, std::function<absl::Status(RankGroup&)>> scenarios = {
      {"join", [](RankGroup&) { return absl::OkStatus(); }},
      {"sums", Sums},
      {"bytes", Bytes},
      {"tensors", Tensors},
      {"announcements", Announcements},
      {"fails", Fails},
      {"dies", Dies},
      {"died_before", DiedBefore},
      {"first_dies", FirstDies},
      {"hangs", Hangs},
      {"checks_same", ChecksSame},
      {"checks_more", ChecksMore},
  };
  RCNN_ASSIGN_OR_RETURN(const RankEnvironment ranks, ReadRankEnvironment(EnvironmentVariables()));
  RCNN_ASSIGN_OR_RETURN(const std::unique_ptr<RankGroup> group, RankGroup::Join(ranks, options));
  return scenarios.at(scenario)(*group);
}

}  // namespace
}  // namespace rcnn::training

int main(int argc, char** argv) {
  rcnn::InitRuntimeWithoutFlags(argv);
  rcnn::training::RankGroupOptions options;
  if (argc > 2) options.join_timeout = absl::Seconds(std::atoi(argv[2]));
  if (argc > 3) options.collective_timeout = absl::Seconds(std::atoi(argv[3]));
  options.roll_call = absl::Seconds(1);
  const absl::Status status = rcnn::training::Run(argv[1], options);
  if (status.ok()) return 0;
  std::printf("error: %s\n", std::string(status.message()).c_str());
  return 1;
}
