#include "rcnn/detection/convolution/bfloat16_panels.h"

#include <cstddef>
#include <new>

#include "rcnn/base/aligned_block.h"

namespace rcnn::detection {
namespace {

AlignedBfloat16s Numbers(int64_t count, void* (*allocate)(size_t)) {
  if (count < 0) throw std::bad_alloc();
  void* block = allocate(static_cast<size_t>(count) * sizeof(Bfloat16));
  if (block == nullptr) throw std::bad_alloc();
  return AlignedBfloat16s(static_cast<Bfloat16*>(block));
}

}  // namespace

void FreeBfloat16s::operator()(Bfloat16* numbers) const { FreeBlock(numbers); }

AlignedBfloat16s AllocateBfloat16s(int64_t count) { return Numbers(count, AllocateBlock); }

AlignedBfloat16s AllocateLastingBfloat16s(int64_t count) {
  return Numbers(count, AllocateLastingBlock);
}

}  // namespace rcnn::detection
