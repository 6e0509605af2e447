#include "rcnn/detection/detection_memory.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "rcnn/base/tensor_memory.h"

namespace rcnn::detection {
namespace {

// Multiples of every stride, and both large enough for maps that are computed in bands of rows
// (kBandedBytes of rpn_head.cc).
constexpr int64_t kHeightPx = 1152, kSmallPx = 1152, kLargePx = 1728;

double Measured(const FasterRcnn& model, int64_t height, int64_t width) {
  const at::NoGradGuard no_grad;
  const TensorMemory memory;
  const InputSizes sizes = {{static_cast<float>(height), static_cast<float>(width), 1}};
  model.Detect(at::zeros({1, 3, height, width}), sizes, {{height, width}});
  return static_cast<double>(memory.peak_bytes());
}

}  // namespace

DetectionMemory DetectionMemory::Measure(const FasterRcnn& model) {
  const double small = Measured(model, kHeightPx, kSmallPx);
  const double large = Measured(model, kHeightPx, kLargePx);
  DetectionMemory memory;
  memory.per_pixel_ = std::max(0.0, large - small) / (kHeightPx * (kLargePx - kSmallPx));
  memory.constant_ = std::max(0.0, small - memory.per_pixel_ * (kHeightPx * kSmallPx));
  return memory;
}

int64_t DetectionMemory::Bytes(int64_t input_pixels) const {
  return static_cast<int64_t>(constant_ + per_pixel_ * static_cast<double>(input_pixels));
}

}  // namespace rcnn::detection
