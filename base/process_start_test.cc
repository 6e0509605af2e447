#include "rcnn/base/process_start.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rcnn {
namespace {

using ::testing::ExitedWithCode;

// Ends the process with 0 if a file that it opens without standard input, output and error has
// another number, and these can be neither read nor written.
[[noreturn]] void OpenWithoutStandardDescriptors(const std::string& path) {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) close(number);
  PrepareProcess();
  const int file = open(path.c_str(), O_RDWR | O_CREAT, 0600);
  char byte = 'x';
  const bool writes = write(STDOUT_FILENO, &byte, 1) >= 0 || write(STDERR_FILENO, &byte, 1) >= 0;
  const bool reads = read(STDIN_FILENO, &byte, 1) >= 0;
  _exit(file <= STDERR_FILENO || writes || reads ? 1 : 0);
}

TEST(PrepareProcess, NoFileGetsTheNumberOfAStandardDescriptor) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/not_printed_to");
  EXPECT_EXIT(OpenWithoutStandardDescriptors(path), ExitedWithCode(0), "");
}

TEST(PrepareProcess, OpenDescriptorsStay) {
  const int before = dup(STDOUT_FILENO);
  ASSERT_GE(before, 0);
  close(before);
  PrepareProcess();
  const int after = dup(STDOUT_FILENO);
  close(after);
  EXPECT_EQ(after, before);
}

// Ends the process with the error of a write beyond the limit.
[[noreturn]] void WriteBeyondTheLimit(const std::string& path) {
  PrepareProcess();
  const rlimit limit = {10, 10};
  setrlimit(RLIMIT_FSIZE, &limit);
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const bool first = write(file, "0123456789", 10) == 10;
  const bool second = write(file, "x", 1) == 1;
  _exit(first && !second ? errno : 100);
}

TEST(PrepareProcess, TheLimitOnTheSizeOfFilesIsAnError) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/limited");
  EXPECT_EXIT(WriteBeyondTheLimit(path), ExitedWithCode(EFBIG), "");
}

}  // namespace
}  // namespace rcnn
