#include "rcnn/training/distributed/local_processes.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

LocalProcessesOptions Shell(int processes, const std::string& script) {
  LocalProcessesOptions options;
  options.processes = processes;
  options.command = {"/bin/sh", "-c", script};
  return options;
}

struct Ended {
  absl::StatusOr<int> code;
  std::string output;
  std::string errors;
};

Ended Supervise(const LocalProcessesOptions& options) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  absl::StatusOr<int> code = RunLocalProcesses(options);
  return {std::move(code), ::testing::internal::GetCapturedStdout(),
          ::testing::internal::GetCapturedStderr()};
}

TEST(LocalProcessesTest, EachGetsItsRank) {
  const Ended ended = Supervise(
      Shell(3,
            "echo $RANK of $WORLD_SIZE, local $LOCAL_RANK of $LOCAL_WORLD_SIZE at $MASTER_ADDR "
            "$RCNN_IS_LOCAL_PROCESS"));
  EXPECT_THAT(ended.code, IsOkAndHolds(0));
  EXPECT_EQ(ended.output, "0 of 3, local 0 of 3 at 127.0.0.1 1\n");
  EXPECT_THAT(ended.errors, AllOf(HasSubstr("[1] 1 of 3, local 1 of 3 at 127.0.0.1 1\n"),
                                  HasSubstr("[2] 2 of 3, local 2 of 3 at 127.0.0.1 1\n")));
}

TEST(LocalProcessesTest, AllGetOnePort) {
  const Ended ended = Supervise(Shell(2, "echo port $MASTER_PORT"));
  ASSERT_THAT(ended.output, MatchesRegex("port [1-9][0-9]*\n"));
  EXPECT_EQ(ended.errors, absl::StrCat("[1] ", ended.output));
}

TEST(LocalProcessesTest, MarksEveryLineOfOthers) {
  const Ended ended =
      Supervise(Shell(2, "[ $RANK = 0 ] || { echo a; echo b >&2; echo; printf c; }"));
  EXPECT_THAT(ended.code, IsOkAndHolds(0));
  EXPECT_EQ(ended.errors, "[1] a\n[1] b\n[1] \n[1] c\n");
}

TEST(LocalProcessesTest, ReturnsTheCodeOfTheFirstFailure) {
  const Ended ended =
      Supervise(Shell(3, "[ $RANK = 0 ] && exit 0; [ $RANK = 1 ] && exit 5; sleep 1; exit 6"));
  EXPECT_THAT(ended.code, IsOkAndHolds(5));
}

TEST(LocalProcessesTest, SaysWhichSignalHasEndedARank) {
  const Ended ended = Supervise(Shell(2, "[ $RANK = 0 ] || kill -9 $$"));
  EXPECT_THAT(ended.code, IsOkAndHolds(137));
  EXPECT_EQ(ended.errors, "rank 1 was ended by signal 9 (Killed)\n");
}

// The others have time to end by themselves.
TEST(LocalProcessesTest, TerminatesTheOthersAfterAFailure) {
  LocalProcessesOptions options =
      Shell(3,
            "trap 'echo told; exit 3' TERM; case $RANK in 0) exit 0;; 1) exit 5;; esac; "
            "while :; do sleep 0.05; done");
  options.grace = absl::Milliseconds(300);
  const absl::Time start = MonotonicNow();
  const Ended ended = Supervise(options);
  EXPECT_GE(MonotonicNow() - start, options.grace);
  EXPECT_THAT(ended.code, IsOkAndHolds(5));
  EXPECT_EQ(ended.errors, "[2] told\n");
}

TEST(LocalProcessesTest, KillsWhatDoesNotTerminate) {
  LocalProcessesOptions options =
      Shell(2, "trap '' TERM; [ $RANK = 0 ] && exit 5; while :; do sleep 0.05; done");
  options.grace = absl::Milliseconds(100);
  options.kill_after = absl::Milliseconds(300);
  const Ended ended = Supervise(options);
  EXPECT_THAT(ended.code, IsOkAndHolds(5));
  EXPECT_EQ(ended.errors, "rank 1 was ended by signal 9 (Killed)\n");
}

TEST(LocalProcessesTest, ForwardsAShutdownOnce) {
  const LocalProcessesOptions options =
      Shell(2, "trap 'echo told; sleep 0.3; exit 143' TERM; while :; do sleep 0.05; done");
  std::thread asker([] {
    absl::SleepFor(absl::Milliseconds(500));
    RequestShutdown(SIGTERM);
  });
  const Ended ended = Supervise(options);
  asker.join();
  ResetShutdownForTesting();
  EXPECT_THAT(ended.code, IsOkAndHolds(143));
  EXPECT_EQ(ended.output, "told\n");
  EXPECT_EQ(ended.errors, "[1] told\n");
}

TEST(LocalProcessesTest, SaysThatAProgramCannotBeExecuted) {
  LocalProcessesOptions options = Shell(2, "");
  options.command = {"/nothing/here"};
  const Ended ended = Supervise(options);
  EXPECT_THAT(ended.code, IsOkAndHolds(127));
  EXPECT_THAT(ended.errors, HasSubstr("[1] error: the program cannot be executed"));
}

// Nothing outlives a launcher that is killed.
TEST(LocalProcessesTest, EndsWithTheProcessThatStartedThem) {
  const std::string file = absl::StrCat(::testing::TempDir(), "/pids");
  std::remove(file.c_str());
  const pid_t launcher = fork();
  if (launcher == 0) {
    RunLocalProcesses(Shell(2, absl::StrCat("echo $$ >> ", file, "; exec sleep 60"))).IgnoreError();
    _exit(0);
  }
  std::vector<pid_t> pids;
  for (int i = 0; i < 200 && pids.size() < 2; ++i) {
    absl::SleepFor(absl::Milliseconds(50));
    pids.clear();
    std::ifstream lines(file);
    for (pid_t pid = 0; lines >> pid;) pids.push_back(pid);
  }
  ASSERT_EQ(pids.size(), 2u);
  kill(launcher, SIGKILL);
  waitpid(launcher, nullptr, 0);
  for (const pid_t pid : pids) {
    bool is_there = true;
    for (int i = 0; i < 200 && is_there; ++i) {
      absl::SleepFor(absl::Milliseconds(20));
      // A process that has ended, but that nobody has collected yet, is a zombie.
      std::ifstream status(absl::StrCat("/proc/", pid, "/stat"));
      std::string number, name, state;
      is_there = (status >> number >> name >> state) && state != "Z";
    }
    EXPECT_FALSE(is_there) << pid;
  }
}

}  // namespace
}  // namespace rcnn::training
