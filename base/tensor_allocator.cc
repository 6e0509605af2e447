#include "rcnn/base/tensor_allocator.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <cstring>

#include "rcnn/base/aligned_block.h"
#include "rcnn/base/libtorch_version.h"

namespace rcnn {
namespace {

void Free(void* block) {
  if (block == nullptr) return;
  c10::profiledCPUMemoryReporter().Delete(block);
  FreeBlock(block);
}

class TensorAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) RCNN_LIBTORCH_ALLOCATE_CONST override {
    void* block = bytes == 0 ? nullptr : AllocateBlock(bytes);
    if (bytes > 0) {
      TORCH_CHECK(block != nullptr, "not enough memory for a tensor of ", bytes, " bytes");
      c10::profiledCPUMemoryReporter().New(block, bytes);
    }
    return {block, block, &Free, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &Free; }

#if RCNN_LIBTORCH_2
  void copy_data(void* target, const void* source, size_t bytes) const override {
    if (bytes > 0) std::memcpy(target, source, bytes);
  }
#endif
};

}  // namespace

void UseTensorAllocator() {
  static TensorAllocator& allocator = *new TensorAllocator;
  // LibTorch's own has priority 0.
  c10::SetCPUAllocator(&allocator, /*priority=*/1);
}

}  // namespace rcnn
