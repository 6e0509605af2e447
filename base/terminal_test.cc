#include "rcnn/base/terminal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

// A pseudo-terminal, closed at the end.
class TerminalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    unsetenv("NO_COLOR");
    setenv("TERM", "xterm", 1);
    master_ = posix_openpt(O_RDWR | O_NOCTTY);
    if (master_ < 0 || grantpt(master_) != 0 || unlockpt(master_) != 0) return;
    const char* name = ptsname(master_);
    terminal_ = name == nullptr ? nullptr : std::fopen(name, "r+");
  }
  void TearDown() override {
    if (terminal_ != nullptr) std::fclose(terminal_);
    if (master_ >= 0) close(master_);
  }

  int master_ = -1;
  std::FILE* terminal_ = nullptr;
};

TEST_F(TerminalTest, FileGetsPlainText) {
  std::FILE* file = std::tmpfile();
  EXPECT_FALSE(IsTerminal(file));
  EXPECT_EQ(TerminalColumns(file), 0);
  const TextStyle style(file);
  EXPECT_EQ(style.Bold("a") + style.Dim("b") + style.Red("c") + style.Green("d"), "abcd");
  std::fclose(file);
}

TEST_F(TerminalTest, ATerminalGetsColours) {
  if (terminal_ == nullptr) GTEST_SKIP() << "no pseudo-terminals here";
  EXPECT_TRUE(IsTerminal(terminal_));
  EXPECT_EQ(TextStyle(terminal_).Green("done"), "\033[32mdone\033[0m");
}

TEST_F(TerminalTest, KnowsTheWidthOfATerminal) {
  if (terminal_ == nullptr) GTEST_SKIP() << "no pseudo-terminals here";
  winsize size = {};
  size.ws_col = 73;
  ASSERT_EQ(ioctl(fileno(terminal_), TIOCSWINSZ, &size), 0);
  EXPECT_EQ(TerminalColumns(terminal_), 73);
}

TEST_F(TerminalTest, NoColorDisablesColours) {
  if (terminal_ == nullptr) GTEST_SKIP() << "no pseudo-terminals here";
  setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(TextStyle(terminal_).Red("error"), "error");
  setenv("NO_COLOR", "", 1);
  EXPECT_EQ(TextStyle(terminal_).Red("error"), "\033[1;31merror\033[0m");
  setenv("TERM", "dumb", 1);
  EXPECT_EQ(TextStyle(terminal_).Red("error"), "error");
}

}  // namespace
}  // namespace rcnn
