#include "rcnn/detection/vgg_cnn_m_1024.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "rcnn/detection/max_pool.h"

namespace rcnn::detection {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr Activation kRelu = Activation::kRelu;

// The sum of `size` neighbouring channels, added in their order, which gives the bits of
// at::avg_pool3d on the CPU. The gradient of avg_pool3d on CUDA adds with atomics.
class NeighbourSum : public torch::autograd::Function<NeighbourSum> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, int64_t size) {
    context->saved_data["size"] = size;
    const int64_t channels = x.size(1);
    const at::Tensor sum = at::zeros_like(x);
    for (int64_t d = -(size / 2); d <= size / 2; ++d) {
      const int64_t count = channels - std::abs(d);
      if (count <= 0) continue;
      sum.narrow(1, std::max<int64_t>(-d, 0), count)
          .add_(x.narrow(1, std::max<int64_t>(d, 0), count));
    }
    return sum;
  }

  // A channel is in the sums of its neighbours.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {apply(gradients[0], context->saved_data["size"].toInt()), at::Tensor()};
  }
};

BatchMap NormAndPool(const BatchMap& x) {
  return ForEachPart(x, [](const at::Tensor& part) {
    return MaxPool(AcrossChannelResponseNorm(part, 5, 5e-4, 0.75, 2),
                   {/*kernel=*/3, /*stride=*/2, /*padding=*/0, /*ceil_mode=*/true});
  });
}

}  // namespace

at::Tensor AcrossChannelResponseNorm(const at::Tensor& x, int64_t size, double alpha, double beta,
                                     double k) {
  // Sums of short types, as under autocast, are float32.
  const at::ScalarType type = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor mean_square = NeighbourSum::apply(x.square().to(type), size) / size;
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
