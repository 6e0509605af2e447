#include "rcnn/base/heap.h"

#include <malloc.h>

#include <cstdlib>
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
