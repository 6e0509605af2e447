// Before a block lies its base: the pointer from malloc, or that to the mapping plus one. malloc's
// pointers are even. A mapping begins with its size.

#include "rcnn/base/aligned_block.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace rcnn {

#if defined(__SANITIZE_ADDRESS__)

// Exactly `bytes` long, so that AddressSanitizer reports an access to the first byte after a
// block.
void* AllocateBlock(size_t bytes) {
  void* block = nullptr;
  return posix_memalign(&block, kBlockAlignment, bytes) == 0 ? block : nullptr;
}

void* AllocateLastingBlock(size_t bytes) { return AllocateBlock(bytes); }

void FreeBlock(void* block) { std::free(block); }

#else

namespace {

// malloc's pointer, aligned to 16 bytes, is stored right before the block.
static_assert(alignof(std::max_align_t) >= sizeof(void*), "no room before the block");

// Smaller lasting blocks are malloc's: a mapping takes whole pages, and there may be only so many.
constexpr size_t kMinMappedBytes = size_t{1} << 20;
// A huge page. A mapping begins at a multiple, so that all of it but the end can have huge pages.
constexpr size_t kHugePage = size_t{2} << 20;

size_t RoundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

uintptr_t Base(const char* block) {
  uintptr_t base;
  std::memcpy(&base, block - sizeof(base), sizeof(base));
  return base;
}

void SetBase(char* block, uintptr_t base) {
  std::memcpy(block - sizeof(base), &base, sizeof(base));
}

// `size` zero bytes, whole pages, at a multiple of kHugePage; null if memory is exhausted.
char* MapPages(size_t size) {
  void* room = mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                    /*fd=*/-1, /*offset=*/0);
  if (room == MAP_FAILED) return nullptr;
  char* begin = static_cast<char*>(room);
  const auto address = reinterpret_cast<uintptr_t>(begin);
  const size_t before = RoundUp(address, kHugePage) - address;
  if (before > 0) munmap(begin, before);
  if (before < kHugePage) munmap(begin + before + size, kHugePage - before);
#ifdef MADV_HUGEPAGE
  madvise(begin + before, size, MADV_HUGEPAGE);
#endif
  return begin + before;
}

}  // namespace

void* AllocateBlock(size_t bytes) {
  if (bytes > std::numeric_limits<size_t>::max() - kBlockAlignment) return nullptr;
  char* base = static_cast<char*>(std::malloc(bytes + kBlockAlignment));
  if (base == nullptr) return nullptr;
  const auto address = reinterpret_cast<uintptr_t>(base);
  char* block = base + (kBlockAlignment - address % kBlockAlignment);
  SetBase(block, address);
  return block;
}

void* AllocateLastingBlock(size_t bytes) {
  if (bytes < kMinMappedBytes) return AllocateBlock(bytes);
  if (bytes > std::numeric_limits<size_t>::max() / 2) return nullptr;
  const size_t size = RoundUp(bytes + kBlockAlignment, static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  char* base = MapPages(size);
  if (base == nullptr) return nullptr;
  std::memcpy(base, &size, sizeof(size));
  SetBase(base + kBlockAlignment, reinterpret_cast<uintptr_t>(base) + 1);
  return base + kBlockAlignment;
}

void FreeBlock(void* block) {
  if (block == nullptr) return;
  const uintptr_t base = Base(static_cast<const char*>(block));
  if (base % 2 == 0) {
    std::free(reinterpret_cast<void*>(base));
    return;
  }
  size_t size;
  std::memcpy(&size, reinterpret_cast<const void*>(base - 1), sizeof(size));
  munmap(reinterpret_cast<void*>(base - 1), size);
}

#endif

}  // namespace rcnn
