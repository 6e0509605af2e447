#include "rcnn/detection/convolution/training_patches.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "rcnn/base/autocast_scope.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/patch_convolution.h"
#include "rcnn/detection/convolution/patch_input_gradient.h"
#include "rcnn/detection/convolution/patch_lanes.h"
#include "rcnn/detection/convolution/patch_weight_gradient.h"

namespace rcnn::detection {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The first convolution of a network; a stride of 1 otherwise is for Winograd's method or products.
constexpr int64_t kMaxChannelsWithoutStride = 4;
// With fewer channels of the output most of a row panel is empty, with fewer products for each of
// them there is little to compute, and with fewer pixels packing the weights takes too large a part
// of the time.
constexpr int64_t kMinOutputs = 16;
constexpr int64_t kMinDepth = 16;
constexpr int64_t kMinPixels = 256;

PatchShape FindShape(const at::Tensor& x, const at::Tensor& weight, int64_t stride,
                     int64_t padding) {
  return {x.size(0), x.size(1), weight.size(0),
          x.size(2), x.size(3), {weight.size(2), stride, padding}};
}

SlidingWindow FindWindow(const PatchShape& shape) {
  return {shape.height, shape.width, shape.kernel.size, shape.kernel.stride, shape.kernel.padding};
}

at::Tensor Output(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  const PatchShape& shape) {
  const at::Tensor input = x.contiguous(), kernels = weight.contiguous();
  const at::Tensor shift = bias.defined() ? bias.contiguous() : bias;
  const PatchConvolution convolution = PatchConvolution::ForOneRun(
      kernels.data_ptr<float>(), shift.defined() ? shift.data_ptr<float>() : nullptr,
      shape.out_channels, shape.in_channels, shape.kernel);
  const SlidingWindow window = FindWindow(shape);
  at::Tensor y = at::empty({shape.batch, shape.out_channels, window.out_height, window.out_width},
                           input.options());
  convolution.Run(input.data_ptr<float>(), shape.batch, shape.height, shape.width, nullptr,
                  /*relu=*/false, y.data_ptr<float>());
  return y;
}

at::Tensor InputGradient(const at::Tensor& weight, const at::Tensor& dy, const PatchShape& shape) {
  const at::Tensor kernels = weight.contiguous();
  at::Tensor dx =
      at::empty({shape.batch, shape.in_channels, shape.height, shape.width}, dy.options());
  PatchInputGradient(kernels.data_ptr<float>(), dy.data_ptr<float>(), shape, dx.data_ptr<float>());
  return dx;
}

at::Tensor WeightGradient(const at::Tensor& x, const at::Tensor& dy, const PatchShape& shape) {
  const at::Tensor input = x.contiguous();
  at::Tensor dw = at::empty(
      {shape.out_channels, shape.in_channels, shape.kernel.size, shape.kernel.size}, dy.options());
  PatchWeightGradient(input.data_ptr<float>(), dy.data_ptr<float>(), shape, dw.data_ptr<float>());
  return dw;
}

class PatchTraining : public torch::autograd::Function<PatchTraining> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const c10::optional<at::Tensor>& bias, int64_t stride,
                            int64_t padding) {
    context->save_for_backward({x, weight});
    context->saved_data["has_bias"] = bias.has_value();
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    return Output(x, weight, bias.value_or(at::Tensor()), FindShape(x, weight, stride, padding));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "TrainingPatches has no second derivatives");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const PatchShape shape = FindShape(x, weight, context->saved_data["stride"].toInt(),
                                       context->saved_data["padding"].toInt());
    const at::Tensor dy = gradients[0].contiguous();
    at::Tensor dx, dw, db;
    if (context->needs_input_grad(0)) dx = InputGradient(weight, dy, shape);
    if (context->needs_input_grad(1)) dw = WeightGradient(x, dy, shape);
    if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(2)) {
      db = dy.sum({0, 2, 3});
    }
    return {dx, dw, db, at::Tensor(), at::Tensor()};
  }
};

bool IsPlain(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat && tensor.dim() == 4;
}

bool HoldsKernel(const PatchShape& shape) {
  const int64_t smallest = shape.kernel.size - 2 * shape.kernel.padding;
  return shape.height >= smallest && shape.width >= smallest && shape.height > 0 && shape.width > 0;
}

}  // namespace

bool CanTrainPatches(const at::Tensor& x, const at::Tensor& weight, int64_t stride,
                     int64_t padding) {
  if (!PanelProductAvailable() || AutocastType(c10::DeviceType::CPU).has_value() || !IsPlain(x) ||
      !IsPlain(weight) || x.size(1) != weight.size(1) || weight.size(2) != weight.size(3)) {
    return false;
  }
  const PatchShape shape = FindShape(x, weight, stride, padding);
  if (!HoldsKernel(shape)) return false;
  const SlidingWindow window = FindWindow(shape);
  return (stride > 1 || shape.in_channels <= kMaxChannelsWithoutStride) &&
         shape.out_channels >= kMinOutputs &&
         shape.in_channels * weight.size(2) * weight.size(3) >= kMinDepth &&
         shape.batch * window.out_height * window.out_width >= kMinPixels;
}

at::Tensor TrainingPatches(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           int64_t stride, int64_t padding) {
  // Autograd cannot track an undefined tensor as an input.
  return PatchTraining::apply(
      x, weight, bias.defined() ? c10::optional<at::Tensor>(bias) : c10::nullopt, stride, padding);
}

}  // namespace rcnn::detection
