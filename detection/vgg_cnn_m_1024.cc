#include "rcnn/detection/vgg_cnn_m_1024.h"

#include <ATen/ATen.h>

#include <utility>

#include "rcnn/detection/max_pool.h"

namespace rcnn::detection {
namespace {

constexpr Activation kRelu = Activation::kRelu;

BatchMap NormAndPool(const BatchMap& x) {
  return ForEachPart(x, [](const at::Tensor& part) {
    return MaxPool(AcrossChannelResponseNorm(part, 5, 5e-4, 0.75, 2),
                   {/*kernel=*/3, /*stride=*/2, /*padding=*/0, /*ceil_mode=*/true});
  });
}

}  // namespace

at::Tensor AcrossChannelResponseNorm(const at::Tensor& x, int64_t size, double alpha, double beta,
                                     double k) {
  // Channels as the depth of a one-channel volume: the mean over `size` of them.
  const at::Tensor mean_square =
      at::avg_pool3d(x.square().unsqueeze(1), {size, 1, 1}, {1, 1, 1}, {size / 2, 0, 0}).squeeze(1);
  return x * at::pow(mean_square * alpha + k, -beta);
}

// The second pool needs 2 cells, so conv2 5, the first pool 10, and conv1 25 pixels.
VggCnnM1024::VggCnnM1024()
    : Backbone({{512, 16}}, {{"conv1"}, {"conv2"}, {"conv3"}, {"conv4"}, {"conv5"}}, 25),
      // Channels in and out, kernel, stride, padding, bias.
      conv1_(AddConv(*this, "conv1", {3, 96, 7, 2, 0, true, kRelu})),
      conv2_(AddConv(*this, "conv2", {96, 256, 5, 2, 1, true, kRelu})),
      conv3_(AddConv(*this, "conv3", {256, 512, 3, 1, 1, true, kRelu})),
      conv4_(AddConv(*this, "conv4", {512, 512, 3, 1, 1, true, kRelu})),
      conv5_(AddConv(*this, "conv5", {512, 512, 3, 1, 1, true, kRelu})) {}

std::vector<BatchMap> VggCnnM1024::Compute(BatchMap images) const {
  BatchMap x = NormAndPool(conv1_->ForwardConsuming(std::move(images)));
  x = NormAndPool(conv2_->Forward(x));
  return {conv5_->Forward(conv4_->Forward(conv3_->Forward(x)))};
}

}  // namespace rcnn::detection
