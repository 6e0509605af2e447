// Memory blocks aligned to 64 bytes whose freed holes can be reused.
//
// glibc's posix_memalign and aligned operator new search for a hole of the block's
// size plus the alignment, so a freed block never fits the next block of the same
// size. A heap of tensors, where the same sizes recur at every layer and step, then
// grows by a fifth. Here a block is a malloc of 64 more bytes, and freeing it leaves
// exactly the hole that the next one needs.
//
// For tensors and large scratch; use new for small objects. Weights, which stay while tensors come
// and go, have blocks of another kind, so that neither they nor what was before them divides the
// heap.
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

// Returns `bytes` uninitialised bytes at a multiple of kBlockAlignment, or null if
// memory is exhausted. 0 bytes give a valid block. Thread-safe.
void* AllocateBlock(size_t bytes);

// The same for numbers that stay long: from a megabyte on in a mapping of its own, whose memory
// goes back to the system when the block is freed. Its pages are zero and take memory when they are
// first written. Slower than AllocateBlock.
void* AllocateLastingBlock(size_t bytes);

// Frees a block from either function, on any thread. Null is ignored.
void FreeBlock(void* block);

}  // namespace rcnn

#endif  // RCNN_BASE_ALIGNED_BLOCK_H_
