#include "rcnn/base/shutdown.h"

#include <signal.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

class ShutdownTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    ResetShutdownForTesting();
    InstallShutdownHandler();
  }
};

TEST_P(ShutdownTest, FirstSignalOnlySetsTheFlag) {
  EXPECT_FALSE(ShutdownRequested());
  raise(GetParam());
  EXPECT_TRUE(ShutdownRequested());
  EXPECT_EQ(ShutdownSignal(), GetParam());
}

TEST_P(ShutdownTest, SecondSignalTerminatesTheProcess) {
  EXPECT_EXIT(
      {
        raise(GetParam());
        raise(GetParam());
        _exit(0);
      },
      testing::KilledBySignal(GetParam()), "");
}

TEST_P(ShutdownTest, InstallingTwiceStillTakesOneSignal) {
  InstallShutdownHandler();
  raise(GetParam());
  EXPECT_TRUE(ShutdownRequested());
}

INSTANTIATE_TEST_SUITE_P(Signals, ShutdownTest, testing::Values(SIGINT, SIGTERM));

TEST(ShutdownRequestTest, TheFirstRequestStays) {
  ResetShutdownForTesting();
  RequestShutdown(SIGTERM);
  RequestShutdown(SIGINT);
  EXPECT_EQ(ShutdownSignal(), SIGTERM);
  ResetShutdownForTesting();
  EXPECT_FALSE(ShutdownRequested());
}

}  // namespace
}  // namespace rcnn
