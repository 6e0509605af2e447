// A tensor over memory that something else owns, and keeps alive.
//
// For bytes of a memory-mapped file or of a storage that several tensors share. If
// the memory is read-only, so is the tensor, but LibTorch does not check that.
//
// Example:
//   at::Tensor matrix = BorrowedTensor(bytes->data(), {64, 3}, {3, 1}, at::kFloat, bytes);

#ifndef RCNN_DETECTION_WEIGHTS_BORROWED_TENSOR_H_
#define RCNN_DETECTION_WEIGHTS_BORROWED_TENSOR_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

namespace rcnn::detection::weights {

// `data` must be aligned to the type and cover all elements that sizes and
// strides (in elements) reach. `owner` lives as long as the tensor and its views.
at::Tensor BorrowedTensor(const void* data, at::IntArrayRef sizes, at::IntArrayRef strides,
                          at::ScalarType type, std::shared_ptr<const void> owner);

// The strides of a contiguous tensor, in elements.
std::vector<int64_t> ContiguousStrides(at::IntArrayRef sizes);

// True if `data` is aligned to elements of `type`.
bool IsAligned(const void* data, at::ScalarType type);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_BORROWED_TENSOR_H_
