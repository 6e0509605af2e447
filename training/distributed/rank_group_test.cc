// Ranks are processes of their own, on the loopback interface; `timeout` ends those that hang.

#include "rcnn/training/distributed/rank_group.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing_command.h"
#include "rcnn/training/distributed/free_port.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr char kProgram[] = "training/distributed/rank_group_process";

// What a rank printed, and its exit code in the last line: "exit 0".
using Outputs = std::vector<std::string>;

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Start {
  std::string scenario;
  // The RANK of each process, and its WORLD_SIZE; 0: the number of processes.
  std::vector<int> ranks;
  std::vector<int> world_sizes = {};
  int port = FreePort();
  std::string address = "127.0.0.1";
};

// Starts all processes at once and waits for the last.
Outputs RunAll(const Start& start) {
  std::string command;
  std::vector<std::string> files;
  for (size_t i = 0; i < start.ranks.size(); ++i) {
    files.push_back(absl::StrCat(::testing::TempDir(), "/rank_group_", i, ".txt"));
    const int world_size =
        start.world_sizes.empty() ? static_cast<int>(start.ranks.size()) : start.world_sizes[i];
    absl::StrAppend(&command, "(RANK=", start.ranks[i], " WORLD_SIZE=", world_size,
                    " MASTER_ADDR=", start.address, " MASTER_PORT=", start.port,
                    " timeout -k 1 60 ", kProgram, " ", start.scenario, " > ", files.back(), " 2> ",
                    files.back(), ".log; echo exit $? >> ", files.back(), ") &\n");
  }
  RunCommand(command + "wait");
  Outputs outputs;
  for (const std::string& file : files) outputs.push_back(Read(file));
  return outputs;
}

std::vector<int> Ranks(int count) {
  std::vector<int> ranks;
  for (int rank = 0; rank < count; ++rank) ranks.push_back(rank);
  return ranks;
}

TEST(RankGroupTest, AddsInTheOrderOfTheRanks) {
  for (const int count : {2, 3, 4}) {
    SCOPED_TRACE(count);
    EXPECT_THAT(
        RunAll({"sums", Ranks(count)}),
        Each("sum of 64 equal\nsum of 1001 equal\nsum of 1 equal\nsum of 0 equal\nexit 0\n"));
  }
}

TEST(RankGroupTest, ExchangesBytesOfAnyLength) {
  const Outputs outputs = RunAll({"bytes", Ranks(4)});
  const std::string all = "|bbb|cccccc|ddddddddd\n";
  EXPECT_EQ(outputs[0], absl::StrCat("all: ", all, "gathered: ", all,
                                     "broadcast: of rank 0\nnothing: 0\nexit 0\n"));
  for (const size_t rank : {1, 2, 3}) {
    EXPECT_EQ(outputs[rank],
              absl::StrCat("all: ", all, "gathered: \nbroadcast: of rank 0\nnothing: 0\nexit 0\n"));
  }
}

TEST(RankGroupTest, CopiesTensorsOfAnyTypeAndLayout) {
  EXPECT_THAT(RunAll({"tensors", Ranks(2)}), Each("tensors: 15 0\nexit 0\n"));
}

TEST(RankGroupTest, OthersHearAnnouncementsInOrder) {
  EXPECT_THAT(RunAll({"announcements", Ranks(3)}),
              ElementsAre("exit 0\n", "heard: first\nheard: \nheard: third\nexit 0\n",
                          "heard: first\nheard: \nheard: third\nexit 0\n"));
}

TEST(RankGroupTest, AnErrorOfOneRankIsTheErrorOfAll) {
  const Outputs outputs = RunAll({"fails", Ranks(4)});
  for (const size_t rank : {0, 1, 2}) {
    EXPECT_EQ(outputs[rank], "error: rank 3: 3.jpg: torn\nexit 1\n");
  }
  EXPECT_EQ(outputs[3], "error: 3.jpg: torn\nexit 1\n");
}

TEST(RankGroupTest, NamesARankThatDies) {
  for (const char* scenario : {"dies", "died_before"}) {
    SCOPED_TRACE(scenario);
    const Outputs outputs = RunAll({scenario, Ranks(4)});
    EXPECT_THAT(outputs[1], HasSubstr("exit 137"));
    for (const size_t rank : {0, 2, 3}) {
      EXPECT_THAT(outputs[rank],
                  AllOf(HasSubstr("error: rank 1 has ended without a word, or does not answer"),
                        HasSubstr("exit 1\n")));
    }
  }
}

TEST(RankGroupTest, SaysThatRank0HasEnded) {
  const Outputs outputs = RunAll({"first_dies", Ranks(3)});
  for (const size_t rank : {1, 2}) {
    EXPECT_THAT(outputs[rank],
                MatchesRegex("error: rank 0 at 127.0.0.1:[0-9]+ has ended or cannot be "
                             "reached.*exit 1\n"));
  }
}

TEST(RankGroupTest, NamesARankThatDoesNotAnswerInTime) {
  const absl::Time start = absl::Now();
  const Outputs outputs = RunAll({"hangs 30 2", Ranks(3)});
  for (const size_t rank : {0, 2}) {
    EXPECT_THAT(outputs[rank], HasSubstr("error: rank 1 has ended without a word, or does not"));
  }
  // The one that hangs ends after 20 s.
  EXPECT_LT(absl::Now() - start, absl::Seconds(40));
}

TEST(RankGroupTest, ReportsFactsThatDiffer) {
  EXPECT_THAT(RunAll({"checks_same", Ranks(3)}),
              Each("the same\nerror: the ranks do not run the same: data.train of rank 0 is af01, "
                   "of rank 2 77b2\nexit 1\n"));
  EXPECT_THAT(RunAll({"checks_more", Ranks(2)}),
              Each("error: the ranks do not run the same: rate of rank 0 is (nothing), of rank 1 "
                   "0.1\nexit 1\n"));
}

TEST(RankGroupTest, NamesRanksThatDoNotCome) {
  const Outputs outputs = RunAll({"join 2", {0, 2}, {4, 4}});
  EXPECT_THAT(outputs, Each(MatchesRegex("error: ranks 1 and 3 of 4 have not come to "
                                         "127.0.0.1:[0-9]+ within 2s\nexit 1\n")));
}

TEST(RankGroupTest, RefusesTwoProcessesOfOneRank) {
  const Outputs outputs = RunAll({"join 5", {0, 1, 1}, {3, 3, 3}});
  EXPECT_THAT(outputs, Each(MatchesRegex("error: two processes are rank 1: process [0-9]+ on .*, "
                                         "and process [0-9]+ on .*\nexit 1\n")));
}

TEST(RankGroupTest, RefusesGroupsOfTwoSizes) {
  const Outputs outputs = RunAll({"join 5", {0, 1}, {2, 3}});
  EXPECT_THAT(outputs, Each("error: the ranks do not fit together: rank 0 has 2 ranks, rank 1 has "
                            "3 ranks\nexit 1\n"));
}

TEST(RankGroupTest, RefusesAPortInUse) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_GE(listener, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 8), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  Start start = {"join 2", {0, 1}};
  start.port = ntohs(address.sin_port);
  const Outputs outputs = RunAll(start);
  close(listener);
  EXPECT_THAT(outputs[0],
              AllOf(HasSubstr(absl::StrCat("error: rank 0 cannot listen at port ", start.port)),
                    HasSubstr("in use")));
  // It is connected to a program that never answers.
  EXPECT_THAT(outputs[1], HasSubstr("error: rank 1 cannot reach rank 0 at 127.0.0.1:"));
}

TEST(RankGroupTest, SaysThatRank0CannotBeReached) {
  const Outputs outputs = RunAll({"join 2", {1}, {2}});
  EXPECT_THAT(outputs[0], AllOf(HasSubstr("error: rank 1 cannot reach rank 0 at 127.0.0.1:"),
                                HasSubstr("within 2s"), HasSubstr("exit 1\n")));
}

}  // namespace
}  // namespace rcnn::training
