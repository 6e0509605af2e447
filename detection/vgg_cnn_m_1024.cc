#include "rcnn/detection/vgg_cnn_m_1024.h"

#include <ATen/ATen.h>

namespace rcnn::detection {
namespace {

ConvOptions Options(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding) {
  ConvOptions options;
  options.in_channels = in;
  options.out_channels = out;
  options.kernel = kernel;
  options.stride = stride;
  options.padding = padding;
  options.activation = Activation::kRelu;
  return options;
}

at::Tensor NormAndPool(const at::Tensor& x) {
  return at::max_pool2d(AcrossChannelResponseNorm(x, 5, 5e-4, 0.75, 2), {3, 3}, {2, 2}, {0, 0},
                        {1, 1}, /*ceil_mode=*/true);
}

}  // namespace

at::Tensor AcrossChannelResponseNorm(const at::Tensor& x, int64_t size, double alpha, double beta,
                                     double k) {
  // Channels as the depth of a one-channel volume: the mean over `size` of them.
  const at::Tensor mean_square =
      at::avg_pool3d(x.square().unsqueeze(1), {size, 1, 1}, {1, 1, 1}, {size / 2, 0, 0}).squeeze(1);
  return x * at::pow(mean_square * alpha + k, -beta);
}

VggCnnM1024::VggCnnM1024()
    : Backbone({{512, 16}}, {{"conv1"}, {"conv2"}, {"conv3"}, {"conv4"}, {"conv5"}}),
      conv1_(AddConv(*this, "conv1", Options(3, 96, 7, 2, 0))),
      conv2_(AddConv(*this, "conv2", Options(96, 256, 5, 2, 1))),
      conv3_(AddConv(*this, "conv3", Options(256, 512, 3, 1, 1))),
      conv4_(AddConv(*this, "conv4", Options(512, 512, 3, 1, 1))),
      conv5_(AddConv(*this, "conv5", Options(512, 512, 3, 1, 1))) {}

std::vector<at::Tensor> VggCnnM1024::Compute(const at::Tensor& images) const {
  at::Tensor x = NormAndPool(conv1_->Forward(images));
  x = NormAndPool(conv2_->Forward(x));
  return {conv5_->Forward(conv4_->Forward(conv3_->Forward(x)))};
}

}  // namespace rcnn::detection
