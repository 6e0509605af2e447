#include "rcnn/detection/image_rows.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>

namespace rcnn::detection {

at::Tensor RowsOfImages(const at::Tensor& values, const at::Tensor& rows) {
  if (values.dim() == 2) return values.gather(1, rows);
  return values.gather(1, rows.unsqueeze(2).expand({-1, -1, values.size(2)}));
}

at::Tensor BeyondCounts(const at::Tensor& counts, int64_t capacity) {
  return at::arange(capacity, counts.options()).unsqueeze(0).ge(counts.unsqueeze(1));
}

}  // namespace rcnn::detection
