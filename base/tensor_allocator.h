// Lets LibTorch take the memory of its tensors from aligned_block.h.
//
// LibTorch asks glibc for aligned memory, which leaves holes that the next tensor of
// the same size does not fit into. The rest is as before: tensors begin at multiples
// of 64 bytes, an empty one has no memory, the profiler is told, and too large a tensor
// is c10::Error.

#ifndef RCNN_BASE_TENSOR_ALLOCATOR_H_
#define RCNN_BASE_TENSOR_ALLOCATOR_H_

namespace rcnn {

// For tensors in the CPU's memory that are made from now on; those that exist keep
// theirs. Before other threads use LibTorch; InitRuntime calls it.
void UseTensorAllocator();

}  // namespace rcnn

#endif  // RCNN_BASE_TENSOR_ALLOCATOR_H_
