// Blocks of memory at multiples of 64 bytes, whose holes can be filled again.
//
// glibc's posix_memalign and aligned operator new look for a hole that is larger than
// the block by the alignment and more, so that a freed block is never good enough for
// the next one of its size: a heap of tensors, where the same sizes come again at
// every layer and step, grows by a fifth. Here a block is one of malloc's that is 64
// bytes larger, and what it leaves is what the next one asks for.
//
// For tensors and large scratch; small objects are better off with new.
//
// Example:
//   float* sums = static_cast<float*>(AllocateBlock(count * sizeof(float)));
//   if (sums == nullptr) throw std::bad_alloc();
//   FreeBlock(sums);

#ifndef RCNN_BASE_ALIGNED_BLOCK_H_
#define RCNN_BASE_ALIGNED_BLOCK_H_

#include <cstddef>

namespace rcnn {

inline constexpr size_t kBlockAlignment = 64;

// `bytes` that are not initialised, at a multiple of kBlockAlignment; null if there is
// not so much. 0 bytes are a block, too. Thread-safe.
void* AllocateBlock(size_t bytes);

// Frees a block of AllocateBlock, or nothing for null; on any thread.
void FreeBlock(void* block);

}  // namespace rcnn

#endif  // RCNN_BASE_ALIGNED_BLOCK_H_
