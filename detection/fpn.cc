#include "rcnn/detection/fpn.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

#include "rcnn/base/counted.h"
#include "rcnn/detection/enlarged_sum.h"

namespace rcnn::detection {
namespace {

BatchMap EverySecondCell(const BatchMap& map) {
  return ForEachPart(map, [](const at::Tensor& part) {
    return at::max_pool2d(part, {1, 1}, {2, 2});
  });
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
  std::vector<BatchMap> levels;
  for (at::Tensor& map : maps) levels.emplace_back(std::move(map));
  std::vector<at::Tensor> pyramid;
  for (BatchMap& level : Forward(std::move(levels))) {
    pyramid.push_back(std::move(level.parts.front()));
  }
  return pyramid;
}

std::vector<BatchMap> Fpn::Forward(std::vector<BatchMap> maps) const {
  TORCH_CHECK(maps.size() == lateral_.size(), "fpn: ", Counted(maps.size(), "map"), " for ",
              Counted(lateral_.size(), "level"));
  std::vector<BatchMap> pyramid(maps.size());
  BatchMap top;
  for (size_t i = maps.size(); i-- > 0;) {
    BatchMap merged = lateral_[i]->ForwardConsuming(std::move(maps[i]));
    for (size_t p = 0; p < top.parts.size(); ++p) AddEnlarged(top.parts[p], merged.parts[p]);
    top = std::move(merged);
    // The finest sum is not needed again.
    pyramid[i] = i > 0 ? output_[i]->Forward(top) : output_[i]->ForwardConsuming(std::move(top));
  }
  if (options_.last_level_max_pool) pyramid.push_back(EverySecondCell(pyramid.back()));
  return pyramid;
}

}  // namespace rcnn::detection
