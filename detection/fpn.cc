#include "rcnn/detection/fpn.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <string>
#include <vector>

namespace rcnn::detection {
namespace {

// Adds `top`, enlarged to the size of `map`. Without gradients some channels at a time, because at
// the finest level the enlarged map is one of a detector's largest tensors.
void AddEnlarged(const at::Tensor& top, at::Tensor& map) {
  constexpr int64_t kChannels = 32;
  const std::vector<int64_t> size = {map.size(2), map.size(3)};
  if (at::GradMode::is_enabled()) {
    map.add_(at::upsample_nearest2d(top, size));
    return;
  }
  for (int64_t c = 0; c < map.size(1); c += kChannels) {
    const int64_t count = std::min(kChannels, map.size(1) - c);
    map.narrow(1, c, count).add_(at::upsample_nearest2d(top.narrow(1, c, count), size));
  }
}

}  // namespace

Fpn::Fpn(const std::vector<FeatureLevel>& inputs, const FpnOptions& options) : options_(options) {
  ConvOptions conv;
  conv.out_channels = options.channels;
  conv.init.kind = Init::kUniformFanIn;
  const auto add = [&](const std::string& name, int64_t in_channels, int64_t kernel) {
    conv.in_channels = in_channels;
    conv.kernel = kernel;
    conv.padding = kernel / 2;
    return AddConv(*this, name, conv, name + "_norm", options.norm);
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    lateral_.push_back(add("lateral" + std::to_string(i + 2), inputs[i].channels, 1));
    levels_.push_back({options.channels, inputs[i].stride});
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    output_.push_back(add("output" + std::to_string(i + 2), options.channels, 3));
  }
  if (options.last_level_max_pool) {
    levels_.push_back({options.channels, 2 * inputs.back().stride});
  }
}

std::vector<at::Tensor> Fpn::Forward(std::vector<at::Tensor> maps) const {
  TORCH_CHECK(maps.size() == lateral_.size(), "fpn: ", maps.size(), " maps for ", lateral_.size(),
              " levels");
  std::vector<at::Tensor> pyramid(maps.size());
  at::Tensor top;
  for (size_t i = maps.size(); i-- > 0;) {
    at::Tensor merged = lateral_[i]->Forward(maps[i]);
    maps[i] = at::Tensor();
    if (top.defined()) AddEnlarged(top, merged);
    top = merged;
    pyramid[i] = output_[i]->Forward(merged);
  }
  if (options_.last_level_max_pool) {
    pyramid.push_back(at::max_pool2d(pyramid.back(), {1, 1}, {2, 2}));
  }
  return pyramid;
}

}  // namespace rcnn::detection
