#include "rcnn/ops/tensor_layout.h"

#include <cstdint>

namespace rcnn::ops {

bool HaveSameLayout(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return false;
  for (int64_t d = 0; d < a.dim(); ++d) {
    if (a.size(d) > 1 && a.stride(d) != b.stride(d)) return false;
  }
  return true;
}

}  // namespace rcnn::ops
