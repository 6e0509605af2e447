// Makes LibTorch allocate tensors with aligned_block.h.
//
// LibTorch's allocator asks glibc for aligned memory, which leaves holes that the next
// tensor of the same size does not fit into. Otherwise the behaviour is the same:
// tensors start at multiples of 64 bytes, an empty tensor has no memory, the profiler
// is informed, and a tensor that is too large is a c10::Error.

#ifndef RCNN_BASE_TENSOR_ALLOCATOR_H_
#define RCNN_BASE_TENSOR_ALLOCATOR_H_

namespace rcnn {

// Applies to CPU tensors created from now on; existing tensors keep their memory.
// Call it before other threads use LibTorch; InitRuntime does.
void UseTensorAllocator();

}  // namespace rcnn

#endif  // RCNN_BASE_TENSOR_ALLOCATOR_H_
