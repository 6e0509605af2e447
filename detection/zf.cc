#include "rcnn/detection/zf.h"

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
  return at::max_pool2d(WithinChannelResponseNorm(x, 5e-5, 0.75), {3, 3}, {2, 2}, {1, 1}, {1, 1},
                        /*ceil_mode=*/true);
}

}  // namespace

at::Tensor WithinChannelResponseNorm(const at::Tensor& x, double alpha, double beta) {
  // The mean is over 9 cells at the border too: padding counts.
  const at::Tensor mean_square = at::avg_pool2d(x.square(), {3, 3}, {1, 1}, {1, 1});
  return x * at::pow(mean_square * alpha + 1, -beta);
}

Zf::Zf()
    : Backbone({{256, 16}}, {{"conv1"}, {"conv2"}, {"conv3"}, {"conv4"}, {"conv5"}}),
      conv1_(AddConv(*this, "conv1", Options(3, 96, 7, 2, 3))),
      conv2_(AddConv(*this, "conv2", Options(96, 256, 5, 2, 2))),
      conv3_(AddConv(*this, "conv3", Options(256, 384, 3, 1, 1))),
      conv4_(AddConv(*this, "conv4", Options(384, 384, 3, 1, 1))),
      conv5_(AddConv(*this, "conv5", Options(384, 256, 3, 1, 1))) {}

std::vector<at::Tensor> Zf::Compute(const at::Tensor& images) const {
  at::Tensor x = NormAndPool(conv1_->Forward(images));
  x = NormAndPool(conv2_->Forward(x));
  return {conv5_->Forward(conv4_->Forward(conv3_->Forward(x)))};
}

}  // namespace rcnn::detection
