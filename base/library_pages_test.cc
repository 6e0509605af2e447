#include "rcnn/base/library_pages.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

// Bytes of unchanged pages of files in the process's memory.
int64_t FileBytes() {
  int64_t total = 0, resident = 0, shared = 0;
  std::ifstream("/proc/self/statm") >> total >> resident >> shared;
  return shared * sysconf(_SC_PAGESIZE);
}

double Sum() { return at::matmul(at::ones({50, 50}), at::ones({50, 50})).sum().item<double>(); }

// Clang has a feature instead of GCC's macro.
bool IsForAddressSanitizer() {
#if defined(__SANITIZE_ADDRESS__)
  return true;
#elif defined(__has_feature)
  return __has_feature(address_sanitizer);
#else
  return false;
#endif
}

TEST(LibraryPagesTest, StayOnRequest) {
  Sum();
  const int64_t before = FileBytes();
  setenv("RCNN_KEEP_LIBRARY_PAGES", "1", /*replace=*/1);
  ReleaseLibraryPages();
  unsetenv("RCNN_KEEP_LIBRARY_PAGES");
  EXPECT_GT(FileBytes(), before / 2);
}

// Those of AddressSanitizer hold what it has written.
TEST(LibraryPagesTest, StayInABuildForAddressSanitizer) {
  if (!IsForAddressSanitizer()) GTEST_SKIP() << "this build is another one";
  Sum();
  const int64_t before = FileBytes();
  ReleaseLibraryPages();
  EXPECT_GT(FileBytes(), before / 2);
}

TEST(LibraryPagesTest, TakeLessMemoryAfterwards) {
#if !defined(__GLIBC__)
  GTEST_SKIP() << "does nothing in this build";
#endif
  if (IsForAddressSanitizer()) GTEST_SKIP() << "does nothing in this build";
  Sum();
  const int64_t before = FileBytes();
  ReleaseLibraryPages();
  EXPECT_LT(FileBytes(), before / 2);
}

TEST(LibraryPagesTest, LibrariesWorkAfterwardsAndMeanwhile) {
  ReleaseLibraryPages();
  EXPECT_EQ(Sum(), 50 * 50 * 50);
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) EXPECT_EQ(Sum(), 50 * 50 * 50);
  });
  for (int i = 0; i < 20; ++i) ReleaseLibraryPages();
  other.join();
  EXPECT_THROW(at::ones({2}).view({3}), c10::Error);
}

}  // namespace
}  // namespace rcnn
