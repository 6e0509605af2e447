#include "rcnn/detection/weights/borrowed_tensor.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace rcnn::detection::weights {

at::Tensor BorrowedTensor(const void* data, at::IntArrayRef sizes, at::IntArrayRef strides,
                          at::ScalarType type, std::shared_ptr<const void> owner) {
  const bool is_empty = std::find(sizes.begin(), sizes.end(), 0) != sizes.end();
  if (is_empty) return at::empty(sizes, type);
  const auto release = [owner = std::move(owner)](void*) {};
  return at::from_blob(const_cast<void*>(data), sizes, strides, release, at::TensorOptions(type));
}

std::vector<int64_t> ContiguousStrides(at::IntArrayRef sizes) {
  std::vector<int64_t> strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i > 1; --i) {
    // Files may have empty tensors whose other sizes are huge; an overflow of those does not
    // matter, but that of a plain product is undefined.
    (void)__builtin_mul_overflow(strides[i - 1], std::max<int64_t>(sizes[i - 1], 1),
                                 &strides[i - 2]);
  }
  return strides;
}

bool IsAligned(const void* data, at::ScalarType type) {
  return reinterpret_cast<uintptr_t>(data) % c10::elementSize(type) == 0;
}

}  // namespace rcnn::detection::weights
