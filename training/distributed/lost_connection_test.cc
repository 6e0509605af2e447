#include "rcnn/training/distributed/lost_connection.h"

#include <signal.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

using ::testing::ExitedWithCode;
using ::testing::KilledBySignal;

constexpr char kError[] = "rank 0 at node1:29500 has ended or cannot be reached";

// As a thread of a library does.
template <typename Error>
void ThrowInAThread(const Error& error) {
  std::thread([error] { throw error; }).join();
}

std::system_error SystemError(int number) {
  return std::system_error(number, std::system_category());
}

TEST(LostConnectionTest, IsAnErrorThatSaysHowToResume) {
  EXPECT_EXIT(
      {
        ExplainLostConnections(kError);
        ThrowInAThread(SystemError(ECONNRESET));
      },
      ExitedWithCode(1),
      "error: rank 0 at node1:29500 has ended or cannot be reached: Connection reset by peer; "
      "start all ranks again with the same command, which resumes from the last checkpoint");
}

TEST(LostConnectionTest, TheLastErrorIsPrinted) {
  EXPECT_EXIT(
      {
        ExplainLostConnections("rank 0 at node2:1 has ended");
        ExplainLostConnections(kError);
        ThrowInAThread(SystemError(EHOSTUNREACH));
      },
      ExitedWithCode(1), "error: rank 0 at node1:29500 .*: No route to host; ");
}

TEST(LostConnectionTest, OtherExceptionsEndTheProgramAsBefore) {
  EXPECT_EXIT(
      {
        ExplainLostConnections(kError);
        ThrowInAThread(SystemError(EIO));
      },
      KilledBySignal(SIGABRT), "terminate called .*\n.*Input/output error");
  EXPECT_EXIT(
      {
        ExplainLostConnections(kError);
        ThrowInAThread(std::runtime_error("an error of another kind"));
      },
      KilledBySignal(SIGABRT), "terminate called .*\n.*an error of another kind");
}

}  // namespace
}  // namespace rcnn::training
