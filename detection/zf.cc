#include "rcnn/detection/zf.h"

#include <ATen/ATen.h>

#include <utility>

#include "rcnn/detection/max_pool.h"

namespace rcnn::detection {
namespace {

constexpr Activation kRelu = Activation::kRelu;

BatchMap NormAndPool(const BatchMap& x) {
  return ForEachPart(x, [](const at::Tensor& part) {
    return MaxPool(WithinChannelResponseNorm(part, 5e-5, 0.75),
                   {/*kernel=*/3, /*stride=*/2, /*padding=*/1, /*ceil_mode=*/true});
  });
}

}  // namespace

at::Tensor WithinChannelResponseNorm(const at::Tensor& x, double alpha, double beta) {
  // The mean is over 9 cells at the border too: padding counts.
  const at::Tensor mean_square = at::avg_pool2d(x.square(), {3, 3}, {1, 1}, {1, 1});
  return x * at::pow(mean_square * alpha + 1, -beta);
}

Zf::Zf()
    : Backbone({{256, 16}}, {{"conv1"}, {"conv2"}, {"conv3"}, {"conv4"}, {"conv5"}}),
      // Channels in and out, kernel, stride, padding, bias.
      conv1_(AddConv(*this, "conv1", {3, 96, 7, 2, 3, true, kRelu})),
      conv2_(AddConv(*this, "conv2", {96, 256, 5, 2, 2, true, kRelu})),
      conv3_(AddConv(*this, "conv3", {256, 384, 3, 1, 1, true, kRelu})),
      conv4_(AddConv(*this, "conv4", {384, 384, 3, 1, 1, true, kRelu})),
      conv5_(AddConv(*this, "conv5", {384, 256, 3, 1, 1, true, kRelu})) {}

std::vector<BatchMap> Zf::Compute(BatchMap images) const {
  BatchMap x = NormAndPool(conv1_->ForwardConsuming(std::move(images)));
  x = NormAndPool(conv2_->Forward(x));
  return {conv5_->Forward(conv4_->Forward(conv3_->Forward(x)))};
}

}  // namespace rcnn::detection
