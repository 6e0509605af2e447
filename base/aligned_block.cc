#include "rcnn/base/aligned_block.h"

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

void FreeBlock(void* block) { std::free(block); }

#else

namespace {

// malloc's pointer, aligned to 16 bytes, is stored right before the block.
static_assert(alignof(std::max_align_t) >= sizeof(void*), "no room before the block");

char* Base(const char* block) {
  char* base;
  std::memcpy(&base, block - sizeof(base), sizeof(base));
  return base;
}

}  // namespace

void* AllocateBlock(size_t bytes) {
  if (bytes > std::numeric_limits<size_t>::max() - kBlockAlignment) return nullptr;
  char* base = static_cast<char*>(std::malloc(bytes + kBlockAlignment));
  if (base == nullptr) return nullptr;
  char* block = base + (kBlockAlignment - reinterpret_cast<uintptr_t>(base) % kBlockAlignment);
  std::memcpy(block - sizeof(base), &base, sizeof(base));
  return block;
}

void FreeBlock(void* block) {
  if (block != nullptr) std::free(Base(static_cast<const char*>(block)));
}

#endif

}  // namespace rcnn
