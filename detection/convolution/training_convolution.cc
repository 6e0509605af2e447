#include "rcnn/detection/convolution/training_convolution.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/winograd.h"
#include "rcnn/detection/convolution/winograd_weight_gradient.h"
#include "rcnn/detection/convolution/zero_patches.h"

namespace rcnn::detection {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// With fewer channels the transforms of the images cost more than the saved
// multiplications, and with fewer pixels those of the weights do.
constexpr int64_t kMinChannels = 16;
constexpr int64_t kMinPixels = 512;

at::Tensor Run(const at::Tensor& x, const at::Tensor& weight, KernelOrder order,
               const at::Tensor& bias) {
  const at::Tensor input = x.contiguous(), kernels = weight.contiguous();
  const at::Tensor shift = bias.defined() ? bias.contiguous() : bias;
  const float* shift_data = shift.defined() ? shift.data_ptr<float>() : nullptr;
  const int64_t out_channels = weight.size(order == KernelOrder::kForward ? 0 : 1);
  const WinogradConvolution convolution = WinogradConvolution::ForOneRun(
      kernels.data_ptr<float>(), order, shift_data, out_channels, x.size(1), /*relu=*/false);
  at::Tensor y = at::empty({x.size(0), out_channels, x.size(2), x.size(3)}, input.options());
  convolution.Run(input.data_ptr<float>(), x.size(0), x.size(2), x.size(3), y.data_ptr<float>());
  FixZeroPatches(input.data_ptr<float>(), {x.size(0), x.size(1), x.size(2), x.size(3)}, shift_data,
                 out_channels, y.data_ptr<float>());
  return y;
}

at::Tensor WeightGradient(const at::Tensor& x, const at::Tensor& dy) {
  const at::Tensor input = x.contiguous();
  at::Tensor dw = at::empty({dy.size(1), x.size(1), 3, 3}, input.options());
  WinogradWeightGradient(input.data_ptr<float>(), dy.data_ptr<float>(),
                         {x.size(0), x.size(1), dy.size(1), x.size(2), x.size(3)},
                         dw.data_ptr<float>());
  return dw;
}

class Convolution : public torch::autograd::Function<Convolution> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const c10::optional<at::Tensor>& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["has_bias"] = bias.has_value();
    return Run(x, weight, KernelOrder::kForward, bias.value_or(at::Tensor()));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "TrainingConvolution has no second derivatives");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor dy = gradients[0].contiguous();
    at::Tensor dx;
    if (context->needs_input_grad(0)) dx = Run(dy, weight, KernelOrder::kInputGradient, {});
    at::Tensor dw, db;
    if (context->needs_input_grad(1)) dw = WeightGradient(x, dy);
    if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(2)) {
      db = dy.sum({0, 2, 3});
    }
    return {dx, dw, db};
  }
};

}  // namespace

bool CanTrainWithWinograd(const at::Tensor& x, const at::Tensor& weight, int64_t stride,
                          int64_t padding) {
  return PanelProductAvailable() && stride == 1 && padding == 1 && weight.size(2) == 3 &&
         weight.size(3) == 3 && weight.size(0) >= kMinChannels && weight.size(1) >= kMinChannels &&
         x.device().is_cpu() && x.scalar_type() == at::kFloat &&
         weight.scalar_type() == at::kFloat && x.size(0) * x.size(2) * x.size(3) >= kMinPixels;
}

at::Tensor TrainingConvolution(const at::Tensor& x, const at::Tensor& weight,
                               const at::Tensor& bias) {
  // Autograd cannot track an undefined tensor as an input.
  return Convolution::apply(x, weight,
                            bias.defined() ? c10::optional<at::Tensor>(bias) : c10::nullopt);
}

}  // namespace rcnn::detection
