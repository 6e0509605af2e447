#include "rcnn/training/trainer/map_sizes.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include "rcnn/detection/module_device.h"

namespace rcnn::training {
namespace {

// Short side of the strips in pixels: enough for at least one cell in every network.
constexpr int64_t kStripPx = 64;

}  // namespace

const std::vector<int64_t>& MapSizes::Lengths(int64_t pixels, int64_t dimension) {
  const auto [found, is_new] = lengths_.try_emplace({pixels, dimension});
  if (is_new) {
    const at::NoGradGuard no_grad;
    std::vector<int64_t> strip = {1, 3, kStripPx, kStripPx};
    strip[static_cast<size_t>(dimension)] = pixels;
    const at::TensorOptions device(detection::ModuleDevice(model_));
    for (const at::Tensor& map : model_.Features(at::zeros(strip, device)).levels) {
      found->second.push_back(map.size(dimension));
    }
  }
  return found->second;
}

}  // namespace rcnn::training
