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

BatchMap ResidualLayer::Forward(BatchMap x) const {
  x = blocks_.front()->Forward(x);
  for (size_t i = 1; i < blocks_.size(); ++i) x = blocks_[i]->Forward(x, /*overwrite=*/true);
  return x;
}

}  // namespace rcnn::detection
