#include "rcnn/detection/residual_layer.h"

#include <ATen/ATen.h>

#include <string>

namespace rcnn::detection {
namespace {

ConvOptions Options(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                    Activation activation) {
  ConvOptions options;
  options.in_channels = in;
  options.out_channels = out;
  options.kernel = kernel;
  options.stride = stride;
  options.padding = kernel / 2;
  options.activation = activation;
  return options;
}

}  // namespace

ResNetShape FindResNetShape(int64_t depth) {
  switch (depth) {
    case 18:
      return {{2, 2, 2, 2}, false};
    case 34:
      return {{3, 4, 6, 3}, false};
    case 50:
      return {{3, 4, 6, 3}, true};
    case 101:
      return {{3, 4, 23, 3}, true};
  }
  TORCH_CHECK(false, "no ResNet-", depth, " here: 18, 34, 50 or 101");
}

ResidualBlock::ResidualBlock(int64_t in_channels, int64_t width, int64_t stride, bool bottleneck,
                             const NormOptions& norm) {
  const int64_t out_channels = bottleneck ? 4 * width : width;
  const auto add = [&](int i, int64_t in, int64_t out, int64_t kernel, int64_t conv_stride,
                       Activation activation) {
    convs_.push_back(AddConv(*this, "conv" + std::to_string(i),
                             Options(in, out, kernel, conv_stride, activation),
                             "bn" + std::to_string(i), norm));
  };
  if (bottleneck) {
    add(1, in_channels, width, 1, 1, Activation::kRelu);
    add(2, width, width, 3, stride, Activation::kRelu);
    add(3, width, out_channels, 1, 1, Activation::kNone);
  } else {
    add(1, in_channels, width, 3, stride, Activation::kRelu);
    add(2, width, width, 3, 1, Activation::kNone);
  }
  if (stride == 1 && in_channels == out_channels) return;
  auto downsample = register_module("downsample", std::make_shared<torch::nn::Module>());
  downsample_ =
      AddConv(*downsample, "0", Options(in_channels, out_channels, 1, stride, Activation::kNone),
              "1", norm);
}

// The shortcut comes last: where a bottleneck has a stride, its map is as large as that of the
// first convolution, which is free by then.
BatchMap ResidualBlock::Forward(const BatchMap& x, bool overwrite) const {
  BatchMap y = x;
  for (size_t i = 0; i + 1 < convs_.size(); ++i) y = convs_[i]->Forward(y);
  if (downsample_ == nullptr) return convs_.back()->ForwardAddRelu(y, x, overwrite);
  return convs_.back()->ForwardAddRelu(y, downsample_->Forward(x), /*overwrite=*/true);
}

BatchMap ResidualBlock::ForwardLinked(const BatchMap& x, bool masks_input,
                                      bool output_is_masked) const {
  BatchMap input;
  BatchMap y = convs_.front()->ForwardLinked(x, {}, {true, masks_input, &input});
  for (size_t i = 1; i + 1 < convs_.size(); ++i) {
    y = convs_[i]->ForwardLinked(y, {}, {true, true, nullptr});
  }
  const BatchMap shortcut = downsample_ == nullptr ? input : downsample_->Forward(input);
  return convs_.back()->ForwardLinked(y, shortcut, {output_is_masked, true, nullptr});
}

bool ResidualBlock::CanLink(const MapSizes& x) const { return CanLinkAll(convs_, x); }

MapSizes ResidualBlock::OutputSizes(const MapSizes& x) const {
  MapSizes sizes = x;
  for (const auto& conv : convs_) sizes = detection::OutputSizes(*conv, sizes);
  return sizes;
}

ResidualLayer::ResidualLayer(const ResNetShape& shape, int64_t layer, int64_t stride,
                             const NormOptions& norm) {
  int64_t in_channels = layer == 1 ? 64 : shape.OutChannels(layer - 1);
  for (int64_t i = 0; i < shape.blocks[layer - 1]; ++i) {
    blocks_.push_back(register_module(
        std::to_string(i),
        std::make_shared<ResidualBlock>(in_channels, int64_t{64} << (layer - 1),
                                        i == 0 ? stride : 1, shape.bottleneck, norm)));
    in_channels = shape.OutChannels(layer);
  }
}

at::Tensor ResidualLayer::Forward(const at::Tensor& x) const {
  return Forward(BatchMap(x)).parts.front();
}

std::vector<bool> ResidualLayer::FindLinked(const BatchMap& x) const {
  std::vector<bool> linked(blocks_.size());
  c10::optional<MapSizes> sizes = LinkableSizes(x);
  for (size_t i = 0; sizes && i < blocks_.size(); ++i) {
    linked[i] = blocks_[i]->CanLink(*sizes);
    sizes = blocks_[i]->OutputSizes(*sizes);
  }
  return linked;
}

// The output of a block, which ends with a ReLU, is read by the next one alone; that of the last
// block, others may read.
BatchMap ResidualLayer::Forward(BatchMap x) const {
  const std::vector<bool> linked = FindLinked(x);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const bool next_is_linked = i + 1 < blocks_.size() && linked[i + 1];
    x = linked[i] ? blocks_[i]->ForwardLinked(x, /*masks_input=*/i > 0, next_is_linked)
                  : blocks_[i]->Forward(x, /*overwrite=*/i > 0);
  }
  return x;
}

}  // namespace rcnn::detection
