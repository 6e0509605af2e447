#include "rcnn/base/aligned_block.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <utility>
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

// Sizes around that from which blocks are mapped, and around pages.
TEST(AlignedBlockTest, LastingBlocksKeepTheirBytes) {
  constexpr size_t kMegabyte = size_t{1} << 20;
  std::vector<std::pair<unsigned char*, size_t>> blocks;
  for (const size_t bytes : {size_t{0}, size_t{1}, kMegabyte - 1, kMegabyte, kMegabyte + 4032,
                             kMegabyte + 4033, 5 * kMegabyte}) {
    blocks.emplace_back(static_cast<unsigned char*>(AllocateLastingBlock(bytes)), bytes);
    ASSERT_NE(blocks.back().first, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks.back().first) % kBlockAlignment, 0u);
    std::memset(blocks.back().first, static_cast<int>(blocks.size()), bytes);
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    const auto [block, bytes] = blocks[i];
    for (size_t j = 0; j < bytes; ++j) ASSERT_EQ(block[j], i + 1);
    FreeBlock(block);
  }
}

TEST(AlignedBlockTest, ExhaustedMemoryGivesNull) {
  EXPECT_EQ(AllocateBlock(std::numeric_limits<size_t>::max()), nullptr);
  EXPECT_EQ(AllocateLastingBlock(std::numeric_limits<size_t>::max()), nullptr);
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_EQ(AllocateBlock(std::numeric_limits<size_t>::max() / 4), nullptr);
#endif
}

TEST(AlignedBlockTest, NullIsFreed) { FreeBlock(nullptr); }

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)

size_t HeapBytes() { return mallinfo2().arena; }

// Resident memory of the process.
size_t ResidentBytes() {
  size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

TEST(AlignedBlockTest, FreedLastingBlocksGoBackToTheSystem) {
  mallopt(M_MMAP_THRESHOLD, std::numeric_limits<int>::max());
  constexpr size_t kBytes = size_t{64} << 20;
  const size_t heap = HeapBytes(), before = ResidentBytes();
  void* const block = AllocateLastingBlock(kBytes);
  EXPECT_LT(ResidentBytes(), before + kBytes / 2) << "not written yet";
  std::memset(block, 1, kBytes);
  asm volatile("" : : "r"(block) : "memory");
  EXPECT_GE(ResidentBytes(), before + kBytes / 2);
  EXPECT_EQ(HeapBytes(), heap);
  FreeBlock(block);
  EXPECT_LT(ResidentBytes(), before + kBytes / 2);
}

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
