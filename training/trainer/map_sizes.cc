#include "rcnn/training/trainer/map_sizes.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "rcnn/base/autocast_scope.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/module_device.h"

namespace rcnn::training {
namespace {

// Short side of the strips in pixels: enough for at least one cell in every network.
constexpr int64_t kStripPx = 64;

// While one lives, the batch norms of a model use their running statistics, and keep them.
class FixedNorms {
 public:
  explicit FixedNorms(detection::FasterRcnn& model) {
    for (const std::shared_ptr<torch::nn::Module>& module : model.modules(/*include_self=*/false)) {
      auto* norm = dynamic_cast<detection::Norm*>(module.get());
      if (norm == nullptr || !norm->TrainedStatistics()) continue;
      norm->eval();
      norms_.push_back(norm);
    }
  }
  ~FixedNorms() {
    for (detection::Norm* norm : norms_) norm->train();
  }

  FixedNorms(const FixedNorms&) = delete;
  FixedNorms& operator=(const FixedNorms&) = delete;

 private:
  std::vector<detection::Norm*> norms_;
};

}  // namespace

const std::vector<int64_t>& MapSizes::Lengths(int64_t pixels, int64_t dimension) {
  const auto [found, is_new] = lengths_.try_emplace({pixels, dimension});
  if (is_new) {
    const at::NoGradGuard no_grad;
    // Weights that autocast converts here have no gradient: the step that asks must not find them.
    const UncachedAutocastScope uncached;
    const FixedNorms fixed(model_);
    std::vector<int64_t> strip = {1, 3, kStripPx, kStripPx};
    strip[static_cast<size_t>(dimension)] = pixels;
    const at::TensorOptions device(detection::ModuleDevice(model_));
    for (const at::Tensor& map : model_.Features(at::zeros(strip, device)).levels) {
      found->second.push_back(map.size(dimension));
    }
  }
  return found->second;
}

detection::MapExtents MapSizes::Extents(const ops::ImageSize& input) {
  const std::vector<int64_t>& heights = Heights(input.height);
  const std::vector<int64_t>& widths = Widths(input.width);
  detection::MapExtents extents = {{}, input};
  for (size_t level = 0; level < heights.size(); ++level) {
    extents.levels.push_back({heights[level], widths[level]});
  }
  return extents;
}

}  // namespace rcnn::training
