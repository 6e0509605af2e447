// Most ranks are threads of this process, which connect by the loopback interface as processes do.
// Ranks that are killed are processes of their own; `timeout` ends those that hang.

#include "rcnn/training/distributed/rank_group.h"

#include <ATen/ATen.h>
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/base/testing_command.h"
#include "rcnn/ops/testing/far_device.h"
#include "rcnn/training/distributed/free_port.h"
#include "rcnn/training/distributed/rank_environment.h"
#include "rcnn/training/testing/device_libraries.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

using Work = std::function<absl::Status(RankGroup&)>;

RankGroupOptions Limits(absl::Duration join, absl::Duration collective) {
  RankGroupOptions options;
  options.join_timeout = join;
  options.collective_timeout = collective;
  options.roll_call = absl::Seconds(1);
  return options;
}

struct Start {
  // The rank of each thread, and its world size, which is the number of threads if not given.
  std::vector<int> ranks;
  Work work = [](RankGroup&) { return absl::OkStatus(); };
  std::vector<int> world_sizes = {};
  RankGroupOptions options = Limits(absl::Seconds(30), absl::Seconds(60));
  int port = FreePort();
};

absl::Status RunRank(const Start& start, size_t thread) {
  RankEnvironment environment;
  environment.rank = environment.local_rank = start.ranks[thread];
  environment.world_size =
      start.world_sizes.empty() ? static_cast<int>(start.ranks.size()) : start.world_sizes[thread];
  environment.master_address = "127.0.0.1";
  environment.master_port = start.port;
  RCNN_ASSIGN_OR_RETURN(const std::unique_ptr<RankGroup> group,
                        RankGroup::Join(environment, start.options));
  return start.work(*group);
}

// Starts all threads at once and waits for the last; returns what each returns.
std::vector<absl::Status> RunAll(const Start& start) {
  std::vector<absl::Status> statuses(start.ranks.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < statuses.size(); ++i) {
    threads.emplace_back([&, i] { statuses[i] = RunRank(start, i); });
  }
  for (std::thread& thread : threads) thread.join();
  return statuses;
}

std::vector<int> Ranks(int count) {
  std::vector<int> ranks;
  for (int rank = 0; rank < count; ++rank) ranks.push_back(rank);
  return ranks;
}

// Values whose sum depends on the order of the additions.
at::Tensor Uneven(int rank, int64_t count) {
  return at::arange(count, at::kFloat)
      .add(1)
      .mul(rank == 0 ? 1e8f : 0.1f * static_cast<float>(rank));
}

// `shared_memory` false: the ranks exchange data as if on several machines.
Start Sharing(int count, Work work, bool shared_memory) {
  Start start = {Ranks(count), std::move(work)};
  start.options.shared_memory = shared_memory;
  return start;
}

TEST(RankGroupTest, AddsInTheOrderOfTheRanks) {
  const Work sums = [](RankGroup& group) -> absl::Status {
    // A multiple of 2 and 4 ranks, a multiple of none, fewer values than ranks, and no values.
    std::vector<at::Tensor> all, all_expected;
    for (const int64_t count : {64, 1001, 1, 0}) {
      at::Tensor expected = Uneven(0, count);
      for (int rank = 1; rank < group.size(); ++rank) expected.add_(Uneven(rank, count));
      at::Tensor values = Uneven(group.rank(), count);
      all.push_back(values.clone());
      all_expected.push_back(expected);
      RCNN_RETURN_IF_ERROR(group.Sum(values));
      EXPECT_TRUE(at::equal(values, expected)) << count << " values, rank " << group.rank();
    }
    RCNN_RETURN_IF_ERROR(group.Sum(all));
    for (size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(at::equal(all[i], all_expected[i])) << i;
    return absl::OkStatus();
  };
  for (const bool shared_memory : {true, false}) {
    for (const int count : {2, 3, 4}) {
      SCOPED_TRACE(absl::StrCat(count, " ranks, shared memory ", shared_memory));
      EXPECT_THAT(RunAll(Sharing(count, sums, shared_memory)), Each(IsOk()));
    }
  }
}

TEST(RankGroupTest, ExchangesBytesOfAnyLength) {
  // The last string is too long for the first message, so that a second one follows.
  const std::vector<std::string> all = {"", "bbb", "cccccc", std::string(10000, 'd')};
  const Work work = [&](RankGroup& group) -> absl::Status {
    const std::string& mine = all[static_cast<size_t>(group.rank())];
    EXPECT_THAT(group.AllGather(mine), IsOkAndHolds(all));
    EXPECT_THAT(group.AllGather(mine.substr(0, 3)),
                IsOkAndHolds(ElementsAre("", "bbb", "ccc", "ddd")));
    EXPECT_THAT(group.Gather(mine),
                IsOkAndHolds(group.rank() == 0 ? all : std::vector<std::string>()));
    EXPECT_THAT(group.Broadcast(absl::StrCat("of rank ", group.rank())), IsOkAndHolds("of rank 0"));
    EXPECT_THAT(group.Broadcast(""), IsOkAndHolds(""));
    return group.Barrier();
  };
  for (const bool shared_memory : {true, false}) {
    EXPECT_THAT(RunAll(Sharing(4, work, shared_memory)), Each(IsOk()));
  }
}

TEST(RankGroupTest, CopiesTensorsOfAnyTypeLayoutAndDevice) {
  const Work work = [](RankGroup& group) -> absl::Status {
    at::Tensor counts = at::full({3}, group.rank() + 5, at::kLong);
    RCNN_RETURN_IF_ERROR(group.Broadcast(counts));
    EXPECT_EQ(counts.sum().item<int64_t>(), 15);
    at::Tensor turned = at::full({2, 3}, static_cast<float>(group.rank())).t();
    RCNN_RETURN_IF_ERROR(group.Broadcast(turned));
    EXPECT_EQ(turned.sum().item<float>(), 0);
    at::Tensor far = at::full({3}, group.rank() + 5, at::kLong).to(ops::testing::FarDevice());
    RCNN_RETURN_IF_ERROR(group.Broadcast(far));
    EXPECT_EQ(far.cpu().sum().item<int64_t>(), 15);
    return absl::OkStatus();
  };
  EXPECT_THAT(RunAll({Ranks(2), work}), Each(IsOk()));
}

TEST(RankGroupTest, OthersHearAnnouncementsInOrder) {
  const Work work = [](RankGroup& group) -> absl::Status {
    for (const char* text : {"first", "", "third"}) {
      if (group.rank() > 0) {
        EXPECT_THAT(group.Await(), IsOkAndHolds(text));
        continue;
      }
      absl::SleepFor(absl::Milliseconds(100));
      RCNN_RETURN_IF_ERROR(group.Announce(text));
    }
    return absl::OkStatus();
  };
  EXPECT_THAT(RunAll({Ranks(3), work}), Each(IsOk()));
}

// The last rank finds something wrong while the others are in a collective, or wait for rank 0.
TEST(RankGroupTest, AnErrorOfOneRankIsTheErrorOfAll) {
  const Work work = [](RankGroup& group) -> absl::Status {
    if (group.rank() < 3) return group.rank() == 1 ? group.Await().status() : group.Barrier();
    absl::SleepFor(absl::Milliseconds(300));
    const absl::Status error = absl::DataLossError("3.jpg: torn");
    group.ReportFailure(error);
    return error;
  };
  const auto others = StatusIs(absl::StatusCode::kDataLoss, "rank 3: 3.jpg: torn");
  EXPECT_THAT(
      RunAll({Ranks(4), work}),
      ElementsAre(others, others, others, StatusIs(absl::StatusCode::kDataLoss, "3.jpg: torn")));
}

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Runs each rank as a process. Returns what each prints, with its exit code as the last line:
// "exit 0". With `first_stops` rank 0 is killed after the others have ended. `timeout` ends ranks
// that run for more than 60 s.
std::vector<std::string> RunProcesses(const std::string& scenario, int count,
                                      bool first_stops = false) {
  const int port = FreePort();
  std::string start, wait;
  std::vector<std::string> files;
  for (int rank = 0; rank < count; ++rank) {
    files.push_back(absl::StrCat(::testing::TempDir(), "/rank_group_", rank, ".txt"));
    absl::StrAppend(&start, "RANK=", rank, " WORLD_SIZE=", count,
                    " MASTER_ADDR=127.0.0.1 MASTER_PORT=", port,
                    " timeout -k 1 60 training/distributed/rank_group_process ", scenario, " > ",
                    files.back(), " 2> ", files.back(), ".log &\nrank", rank, "=$!\n");
  }
  for (int rank = count - 1; rank >= 0; --rank) {
    if (rank == 0 && first_stops) absl::StrAppend(&wait, "kill $rank0\n");
    absl::StrAppend(&wait, "wait $rank", rank, "\necho exit $? >> ", files[rank], "\n");
  }
  RunCommand(start + wait);
  std::vector<std::string> outputs;
  for (const std::string& file : files) outputs.push_back(Read(file));
  return outputs;
}

TEST(RankGroupTest, NamesARankThatDies) {
  for (const char* scenario : {"dies", "died_before"}) {
    SCOPED_TRACE(scenario);
    const std::vector<std::string> outputs = RunProcesses(scenario, 4);
    EXPECT_THAT(outputs[1], HasSubstr("exit 137"));
    for (const size_t rank : {0, 2, 3}) {
      EXPECT_THAT(outputs[rank],
                  AllOf(HasSubstr("error: rank 1 has ended without a message, or does not answer"),
                        HasSubstr("exit 1\n")));
    }
  }
}

TEST(RankGroupTest, SaysThatRank0HasEnded) {
  const std::vector<std::string> outputs = RunProcesses("first_dies", 3);
  for (const size_t rank : {1, 2}) {
    EXPECT_THAT(outputs[rank],
                MatchesRegex("error: rank 0 at 127.0.0.1:[0-9]+ has ended or cannot be "
                             "reached.*exit 1\n"));
  }
}

TEST(RankGroupTest, SaysThatRank0DoesNotAnswer) {
  const std::vector<std::string> outputs = RunProcesses("first_stops", 3, /*first_stops=*/true);
  for (const size_t rank : {1, 2}) {
    EXPECT_THAT(outputs[rank],
                MatchesRegex("error: rank 0 at 127.0.0.1:[0-9]+ does not answer.*exit 1\n"));
  }
}

TEST(RankGroupTest, NamesARankThatDoesNotAnswerInTime) {
  std::atomic<int> ended = 0;
  const Work work = [&](RankGroup& group) -> absl::Status {
    if (group.rank() != 1) {
      const absl::Status status = group.Barrier();
      ++ended;
      return status;
    }
    for (int i = 0; i < 4000 && ended < 2; ++i) absl::SleepFor(absl::Milliseconds(10));
    return absl::OkStatus();
  };
  const absl::Time start = MonotonicNow();
  const auto names_it =
      StatusIs(absl::StatusCode::kUnavailable,
               HasSubstr("rank 1 has ended without a message, or does not answer"));
  EXPECT_THAT(RunAll({Ranks(3), work, {}, Limits(absl::Seconds(30), absl::Seconds(1))}),
              ElementsAre(names_it, IsOk(), names_it));
  EXPECT_LT(MonotonicNow() - start, absl::Seconds(20));
}

const c10::Device kCpu(c10::DeviceType::CPU);

// The CPU takes the place of each rank's GPU. Other collectives go on while a sum is being made.
TEST(RankGroupTest, AddsOnDevicesWhileTheRanksExchangeMessages) {
  const ScopedDeviceLibrary library(CpuDeviceLibrary());
  const Work work = [](RankGroup& group) -> absl::Status {
    at::Tensor first = at::full({3}, static_cast<float>(group.rank())), second = first + 1;
    EXPECT_FALSE(group.IsOnDevice(first));
    RCNN_RETURN_IF_ERROR(group.ConnectDevice(kCpu));
    EXPECT_TRUE(group.IsOnDevice(first));
    RCNN_RETURN_IF_ERROR(group.BeginSum(first));
    RCNN_RETURN_IF_ERROR(group.BeginSum(second));
    EXPECT_THAT(group.AllGather(absl::StrCat(group.rank())),
                IsOkAndHolds(ElementsAre("0", "1", "2")));
    RCNN_RETURN_IF_ERROR(group.FinishSums());
    EXPECT_TRUE(at::equal(first, at::full({3}, 3.0f)));
    EXPECT_TRUE(at::equal(second, at::full({3}, 6.0f)));
    std::vector<at::Tensor> both = {at::ones({2}), at::ones({1, 4})};
    RCNN_RETURN_IF_ERROR(group.Sum(both));
    EXPECT_TRUE(at::equal(both[0], at::full({2}, 3.0f)));
    EXPECT_TRUE(at::equal(both[1], at::full({1, 4}, 3.0f)));
    return group.FinishSums();  // none is left
  };
  for (const bool shared_memory : {true, false}) {
    EXPECT_THAT(RunAll(Sharing(3, work, shared_memory)), Each(IsOk()));
  }
}

TEST(RankGroupTest, SumsOnDevicesNeedALibrary) {
  const Work work = [](RankGroup& group) { return group.ConnectDevice(kCpu); };
  EXPECT_THAT(RunAll({Ranks(2), work}),
              Each(StatusIs(absl::StatusCode::kUnimplemented,
                            AllOf(HasSubstr("2 processes train together on GPUs by NCCL"),
                                  HasSubstr("--config=cuda"), HasSubstr("one process on cpu")))));
}

TEST(RankGroupTest, RefusesTwoRanksWithOneDevice) {
  const ScopedDeviceLibrary library(SameDeviceLibrary());
  const Work work = [](RankGroup& group) { return group.ConnectDevice(kCpu); };
  EXPECT_THAT(
      RunAll({Ranks(3), work}),
      Each(StatusIs(absl::StatusCode::kInvalidArgument,
                    MatchesRegex("ranks 0 and 1 have the same GPU \\(.*, GPU 1\\); start "
                                 "at most as many processes on a machine as it has GPUs"))));
}

TEST(RankGroupTest, ADeviceThatCannotBeConnectedIsAnErrorOfAll) {
  const ScopedDeviceLibrary library(UnconnectedDeviceLibrary());
  const Work work = [](RankGroup& group) { return group.ConnectDevice(kCpu); };
  EXPECT_THAT(RunAll({Ranks(3), work}), Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                                                      "rank 1: connecting by a fake: no cable")));
}

TEST(RankGroupTest, AnErrorOfOneRankEndsSumsOnDevices) {
  const ScopedDeviceLibrary library(StuckDeviceLibrary());
  const Work work = [](RankGroup& group) -> absl::Status {
    RCNN_RETURN_IF_ERROR(group.ConnectDevice(kCpu));
    if (group.rank() == 0) return group.Sum(at::ones({2}));
    absl::SleepFor(absl::Milliseconds(300));
    const absl::Status error = absl::DataLossError("3.jpg: torn");
    group.ReportFailure(error);
    return error;
  };
  EXPECT_THAT(RunAll({Ranks(2), work}),
              ElementsAre(StatusIs(absl::StatusCode::kDataLoss, "rank 1: 3.jpg: torn"),
                          StatusIs(absl::StatusCode::kDataLoss, "3.jpg: torn")));
}

TEST(RankGroupTest, NamesARankThatDoesNotTakePartInSumsOnDevices) {
  const ScopedDeviceLibrary library(StuckDeviceLibrary());
  std::atomic<bool> has_ended = false;
  const Work work = [&](RankGroup& group) -> absl::Status {
    RCNN_RETURN_IF_ERROR(group.ConnectDevice(kCpu));
    if (group.rank() == 0) {
      const absl::Status status = group.Sum(at::ones({2}));
      has_ended = true;
      return status;
    }
    for (int i = 0; i < 4000 && !has_ended; ++i) absl::SleepFor(absl::Milliseconds(10));
    return absl::OkStatus();
  };
  EXPECT_THAT(
      RunAll({Ranks(2), work, {}, Limits(absl::Seconds(30), absl::Seconds(1))}),
      ElementsAre(StatusIs(absl::StatusCode::kUnavailable,
                           AllOf(HasSubstr("rank 1 has ended without a message, or does not "
                                           "answer (summing gradients by a fake: "),
                                 HasSubstr("has not ended"))),
                  IsOk()));
}

TEST(RankGroupTest, ReportsFactsThatDiffer) {
  const Work differ = [](RankGroup& group) -> absl::Status {
    EXPECT_THAT(group.CheckSame({{"seed", "3"}, {"data.train", "af01"}}), IsOk());
    return group.CheckSame({{"seed", "3"}, {"data.train", group.rank() == 2 ? "77b2" : "af01"}});
  };
  EXPECT_THAT(RunAll({Ranks(3), differ}),
              Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                            "the ranks do not run the same: data.train of rank 0 is af01, of rank "
                            "2 77b2")));
  const Work more = [](RankGroup& group) -> absl::Status {
    Facts facts = {{"seed", "3"}};
    if (group.rank() > 0) facts.emplace_back("rate", "0.1");
    return group.CheckSame(facts);
  };
  EXPECT_THAT(RunAll({Ranks(2), more}),
              Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                            "the ranks do not run the same: rate of rank 0 is (nothing), of rank 1 "
                            "0.1")));
}

// A start whose ranks have to meet within a second.
Start Hurried(std::vector<int> ranks, std::vector<int> world_sizes) {
  Start start = {std::move(ranks)};
  start.world_sizes = std::move(world_sizes);
  start.options.join_timeout = absl::Seconds(1);
  return start;
}

TEST(RankGroupTest, NamesRanksThatDoNotCome) {
  EXPECT_THAT(RunAll(Hurried({0, 2}, {4, 4})),
              Each(StatusIs(absl::StatusCode::kDeadlineExceeded,
                            MatchesRegex("ranks 1 and 3 of 4 have not come to 127.0.0.1:[0-9]+ "
                                         "within 1s; start all ranks, or give them more time with "
                                         "--join_timeout"))));
}

// Rank 1 has waited for rank 0 before it waits for rank 2.
TEST(RankGroupTest, TheTimeToJoinCountsOnce) {
  Start start = Hurried({0, 1}, {3, 3});
  start.options.join_timeout = absl::Seconds(6);
  absl::Duration took;
  std::thread second([&] {
    const absl::Time begun = MonotonicNow();
    EXPECT_THAT(RunRank(start, 1), StatusIs(absl::StatusCode::kDeadlineExceeded,
                                            HasSubstr("rank 2 of 3 has not come")));
    took = MonotonicNow() - begun;
  });
  absl::SleepFor(absl::Seconds(3));
  EXPECT_THAT(RunRank(start, 0),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("rank 2 of 3 has not come")));
  second.join();
  EXPECT_LT(took, absl::Milliseconds(8500));  // 9 s if it counted from the connection
}

TEST(RankGroupTest, RefusesTwoProcessesOfOneRank) {
  EXPECT_THAT(RunAll({{0, 1, 1}, [](RankGroup&) { return absl::OkStatus(); }, {3, 3, 3}}),
              Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                            MatchesRegex("two processes are rank 1: process [0-9]+ on .*, and "
                                         "process [0-9]+ on .*"))));
}

TEST(RankGroupTest, RefusesGroupsOfTwoSizes) {
  EXPECT_THAT(RunAll({{0, 1}, [](RankGroup&) { return absl::OkStatus(); }, {2, 3}}),
              Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                            "the ranks do not fit together: rank 0 has 2 ranks, rank 1 has 3 "
                            "ranks")));
}

// A socket that listens at a free port and accepts nothing. Child programs do not inherit it.
struct Listener {
  int descriptor = -1;
  int port = 0;
};

Listener Listen() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(descriptor, 8), 0);
  EXPECT_EQ(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return {descriptor, ntohs(address.sin_port)};
}

// The listener is never closed: a thread of LibTorch in rank 1 reads from the connection to the
// end, and ends the program if the connection is reset.
TEST(RankGroupTest, RefusesAPortInUse) {
  Start start = Hurried({0, 1}, {});
  start.port = Listen().port;
  const std::vector<absl::Status> statuses = RunAll(start);
  EXPECT_THAT(statuses[0],
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(absl::StrCat("rank 0 cannot listen at port ", start.port)),
                             HasSubstr("in use"))));
  // Rank 1 is connected to a listener that never answers.
  EXPECT_THAT(statuses[1], StatusIs(absl::StatusCode::kDeadlineExceeded,
                                    HasSubstr("rank 1 cannot reach rank 0 at 127.0.0.1:")));
}

// A connection that was not accepted is reset when its listener closes, as when rank 0 is killed. A
// thread of LibTorch 1.13 notices the reset too, and nothing catches its exception.
TEST(RankGroupTest, AConnectionThatIsResetIsAnErrorThatNamesRank0) {
  const Listener listener = Listen();
  std::thread closer([&] {
    pollfd waiting = {listener.descriptor, POLLIN, 0};
    EXPECT_EQ(poll(&waiting, 1, 60000), 1);
    absl::SleepFor(absl::Milliseconds(500));
    close(listener.descriptor);
  });
  const CommandResult ended = RunCommand(
      absl::StrCat("RANK=1 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=", listener.port,
                   " timeout -k 1 60 training/distributed/rank_group_process joins"));
  closer.join();
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_THAT(ended.output, AllOf(HasSubstr("error: "),
                                  HasSubstr(absl::StrCat("rank 0 at 127.0.0.1:", listener.port)),
                                  Not(HasSubstr("terminate called"))));
}

TEST(RankGroupTest, SaysThatRank0CannotBeReached) {
  EXPECT_THAT(RunAll(Hurried({1}, {2})),
              ElementsAre(StatusIs(absl::StatusCode::kDeadlineExceeded,
                                   AllOf(HasSubstr("rank 1 cannot reach rank 0 at 127.0.0.1:"),
                                         HasSubstr("within 1s")))));
}

TEST(RankGroupTest, AShutdownEndsTheWaitForRank0) {
  Start start = Hurried({1}, {2});
  start.options.join_timeout = absl::Seconds(20);
  std::thread asker([] {
    absl::SleepFor(absl::Milliseconds(300));
    RequestShutdown(SIGTERM);
  });
  const absl::Time begun = MonotonicNow();
  EXPECT_THAT(RunAll(start), ElementsAre(StatusIs(absl::StatusCode::kCancelled,
                                                  "stopped while the ranks were joining")));
  EXPECT_LT(MonotonicNow() - begun, absl::Seconds(10));
  asker.join();
  ResetShutdownForTesting();
}

}  // namespace
}  // namespace rcnn::training
