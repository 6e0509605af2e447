#include "rcnn/base/heap.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn {
namespace {

using ::testing::Contains;

class HeapTest : public testing::Test {
 protected:
  void TearDown() override { unsetenv("MALLOC_TOP_PAD_"); }
};

// The number of blocks that malloc mapped separately, after a block of 16 MiB was
// requested.
size_t MappedBlocksWithALargeOne() {
  void* block = std::malloc(16 << 20);
  // Not optimised away.
  asm volatile("" : : "r"(block) : "memory");
  const size_t mapped = mallinfo2().hblks;
  std::free(block);
  return mapped;
}

TEST_F(HeapTest, LargeBlocksComeFromTheHeap) {
  if (MappedBlocksWithALargeOne() == 0) {
    GTEST_SKIP() << "the environment or a sanitizer has another allocator";
  }
  KeepHeap();
  EXPECT_EQ(MappedBlocksWithALargeOne(), 0u);
}

// Resident memory of the process, in bytes.
int64_t ResidentBytes() {
  int64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST_F(HeapTest, ReturnsFreedMemoryBetweenBlocksInUse) {
  if (mallinfo2().arena == 0) GTEST_SKIP() << "a sanitizer has another allocator";
  KeepHeap();
  constexpr size_t kBytes = size_t{32} << 20;
  void* const freed = std::malloc(kBytes);
  void* const kept = std::malloc(1000);
  std::memset(freed, 1, kBytes);
  asm volatile("" : : "r"(freed), "r"(kept) : "memory");
  const int64_t before = ResidentBytes();
  std::free(freed);
  ReturnFreedMemory();
  const int64_t returned = before - ResidentBytes();
  std::free(kept);
  EXPECT_GT(returned, static_cast<int64_t>(kBytes / 2));
}

TEST_F(HeapTest, DescribesTheActiveSettings) {
  KeepHeap();
  EXPECT_THAT(DescribeHeap(), Contains("top_pad=67108864"));
  EXPECT_THAT(DescribeHeap(), Contains("huge_pages=off"));
}

TEST_F(HeapTest, ReportsAVariableSetByTheUser) {
  setenv("MALLOC_TOP_PAD_", "123", 1);
  KeepHeap();
  EXPECT_THAT(DescribeHeap(), Contains("top_pad=123"));
}

TEST_F(HeapTest, TheEnvironmentNamesEverySettingOnce) {
  EXPECT_EQ(HeapEnvironment().size(), 4u);
  for (const HeapVariable& variable : HeapEnvironment()) {
    EXPECT_NE(std::string(variable.value), "") << variable.name;
  }
}

}  // namespace
}  // namespace rcnn
