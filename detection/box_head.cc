#include "rcnn/detection/box_head.h"

#include <ATen/ATen.h>

#include <string>

#include "rcnn/base/random_stream.h"
#include "rcnn/detection/make_backbone.h"
#include "rcnn/ops/random_mask.h"

namespace rcnn::detection {
namespace {

std::vector<int64_t> FcChannels(const configs::FcHeadConfig& config) {
  if (config.fc_channels_size() == 0) return {1024, 1024};
  return {config.fc_channels().begin(), config.fc_channels().end()};
}

}  // namespace

FcBoxHead::FcBoxHead(torch::nn::Module& owner, const configs::FcHeadConfig& config,
                     int64_t in_channels, int64_t size)
    : BoxHead(FcChannels(config).back()),
      dropout_(config.dropout()),
      scale_in_training_(config.dropout_scale() == configs::FcHeadConfig::IN_TRAINING) {
  ConvOptions conv;
  conv.in_channels = in_channels;
  conv.activation = Activation::kRelu;
  for (const int64_t channels : config.conv_channels()) {
    conv.out_channels = channels;
    const std::string name = "conv" + std::to_string(convs_.size() + 1);
    convs_.push_back(
        AddConv(owner, name, conv, name + "_norm", ReadNormOptions(config.conv_norm())));
    conv.in_channels = channels;
  }
  int64_t features = conv.in_channels * size * size;
  Init init;
  init.kind = Init::kUniformFanIn;
  for (const int64_t channels : FcChannels(config)) {
    const std::string name = "fc" + std::to_string(fcs_.size() + 6);
    fcs_.push_back(AddLinear(owner, name, features, channels, init));
    features = channels;
  }
}

at::Tensor FcBoxHead::Drop(const at::Tensor& x, const OptionalGenerator& generator,
                           const at::Tensor& draw_rows) const {
  if (dropout_ == 0) return x;
  const double keep = 1 - dropout_;
  if (!generator.has_value()) return scale_in_training_ ? x : x * keep;
  c10::optional<at::Tensor> rows;
  if (draw_rows.defined()) rows = draw_rows;
  at::Tensor mask = ops::RandomMask(x, DrawKey(*generator, "dropout"), keep, rows);
  return x * (scale_in_training_ ? mask.div_(keep) : mask);
}

at::Tensor FcBoxHead::Compute(const at::Tensor& pooled, const OptionalGenerator& generator,
                              const at::Tensor& draw_rows) const {
  at::Tensor x = pooled;
  for (const auto& conv : convs_) x = conv->Forward(x);
  x = x.flatten(1);
  for (const auto& fc : fcs_) x = Drop(fc->Forward(x, Activation::kRelu), generator, draw_rows);
  return x;
}

Layer4BoxHead::Layer4BoxHead(torch::nn::Module& owner, const ResNetShape& shape, int64_t stride,
                             const NormOptions& norm)
    : BoxHead(shape.OutChannels(4)),
      layer4_(owner.register_module("layer4",
                                    std::make_shared<ResidualLayer>(shape, 4, stride, norm))) {}

at::Tensor Layer4BoxHead::Compute(const at::Tensor& pooled, const OptionalGenerator&,
                                  const at::Tensor&) const {
  return layer4_->Forward(pooled).mean({2, 3});
}

}  // namespace rcnn::detection
