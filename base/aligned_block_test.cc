#include "rcnn/base/aligned_block.h"

#include <malloc.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

TEST(AlignedBlockTest, IsAlignedAndKeepsItsBytes) {
  std::vector<unsigned char*> blocks;
  for (size_t bytes = 0; bytes < 300; ++bytes) {
    blocks.push_back(static_cast<unsigned char*>(AllocateBlock(bytes)));
    ASSERT_NE(blocks.back(), nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks.back()) % kBlockAlignment, 0u);
    std::memset(blocks.back(), static_cast<int>(bytes % 251), bytes);
  }
  for (size_t bytes = 0; bytes < blocks.size(); ++bytes) {
    for (size_t i = 0; i < bytes; ++i) ASSERT_EQ(blocks[bytes][i], bytes % 251);
    FreeBlock(blocks[bytes]);
  }
}

TEST(AlignedBlockTest, ExhaustedMemoryGivesNull) {
  EXPECT_EQ(AllocateBlock(std::numeric_limits<size_t>::max()), nullptr);
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_EQ(AllocateBlock(std::numeric_limits<size_t>::max() / 4), nullptr);
#endif
}

TEST(AlignedBlockTest, NullIsFreed) { FreeBlock(nullptr); }

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)

size_t HeapBytes() { return mallinfo2().arena; }

// Kept blocks separate freed ones, so that each hole has the size of the freed block.
TEST(AlignedBlockTest, FillsHolesOfItsSize) {
  mallopt(M_MMAP_THRESHOLD, std::numeric_limits<int>::max());
  constexpr size_t kBytes = 1 << 20;
  std::vector<void*> kept, holes;
  for (int i = 0; i < 32; ++i) {
    holes.push_back(AllocateBlock(kBytes));
    kept.push_back(AllocateBlock(kBytes));
  }
  const size_t before = HeapBytes();
  for (void*& block : holes) {
    FreeBlock(block);
    block = nullptr;
  }
  for (void*& block : holes) block = AllocateBlock(kBytes);
  EXPECT_EQ(HeapBytes(), before);
  for (void* block : holes) FreeBlock(block);
  for (void* block : kept) FreeBlock(block);
}

#endif

}  // namespace
}  // namespace rcnn
