#include "rcnn/detection/detection_memory.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "rcnn/base/tensor_memory.h"

namespace rcnn::detection {
namespace {

// Multiples of every stride, and not small for any backbone.
constexpr int64_t kSidePx = 384;

double Measured(const FasterRcnn& model, int64_t height, int64_t width) {
  const at::NoGradGuard no_grad;
  const TensorMemory memory;
  const InputSizes sizes = {{static_cast<float>(height), static_cast<float>(width), 1}};
  model.Detect(at::zeros({1, 3, height, width}), sizes, {{height, width}});
  return static_cast<double>(memory.peak_bytes());
}

}  // namespace

DetectionMemory DetectionMemory::Measure(const FasterRcnn& model) {
  const double small = Measured(model, kSidePx, kSidePx);
  const double large = Measured(model, kSidePx, 2 * kSidePx);
  DetectionMemory memory;
  memory.per_pixel_ = std::max(0.0, large - small) / (kSidePx * kSidePx);
  memory.constant_ = std::max(0.0, 2 * small - large);
  return memory;
}

int64_t DetectionMemory::Bytes(int64_t input_pixels) const {
  return static_cast<int64_t>(constant_ + per_pixel_ * static_cast<double>(input_pixels));
}

}  // namespace rcnn::detection
