#include "rcnn/detection/tiny_backbone.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

namespace rcnn::detection {
namespace {

constexpr int64_t kWidths[] = {1, 2, 4, 6};  // of `channels`, per stride

std::vector<FreezableStage> Stages() {
  std::vector<FreezableStage> stages;
  for (int i = 1; i <= 8; i += 2) {
    const std::string first = std::to_string(i), second = std::to_string(i + 1);
    stages.push_back({"conv" + first, "norm" + first, "conv" + second, "norm" + second});
  }
  return stages;
}

}  // namespace

TinyBackbone::TinyBackbone(int64_t channels, int64_t last_stride)
    : Backbone({{6 * channels, 8 * last_stride}}, Stages()) {
  TORCH_CHECK(channels > 0 && channels % 8 == 0, "tiny: channels is ", channels,
              ", not a multiple of 8");
  NormOptions norm;
  norm.kind = NormOptions::kGroupNorm;
  norm.groups = 8;
  ConvOptions options;
  options.in_channels = 3;
  const auto add = [&](int64_t stride) {
    options.stride = stride;
    const std::string number = std::to_string(convs_.size() + 1);
    convs_.push_back(AddConv(*this, "conv" + number, options, "norm" + number, norm));
    options.in_channels = options.out_channels;
  };
  options.activation = Activation::kRelu;
  for (const int64_t width : kWidths) {
    options.out_channels = width * channels;
    add(width == kWidths[3] ? last_stride : 2);
    add(1);
  }
}

std::vector<BatchMap> TinyBackbone::Compute(BatchMap images) const {
  BatchMap x = std::move(images);
  for (size_t i = 0; i < convs_.size(); i += 2) {
    x = convs_[i]->Forward(x);
    x = convs_[i + 1]->Forward(x) + x;
  }
  return {x};
}

}  // namespace rcnn::detection
