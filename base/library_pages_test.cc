#include "rcnn/base/library_pages.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <cstdint>
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

TEST(LibraryPagesTest, TakeLessMemoryAfterwards) {
#if !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "does nothing in this build";
#endif
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
