#include "rcnn/detection/convolution/training_pointwise.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "rcnn/base/autocast_scope.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/pointwise.h"
#include "rcnn/detection/convolution/row_product.h"

namespace rcnn::detection {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// With fewer channels of the input there is little to multiply, and with fewer pixels packing the
// weights takes too large a part of the time.
constexpr int64_t kMinChannels = 16;
constexpr int64_t kMinPixels = 256;

// `weight` has the channels of x as columns, or as rows.
at::Tensor Run(const at::Tensor& x, const at::Tensor& weight, MatrixOrder order,
               const at::Tensor& bias) {
  const at::Tensor input = x.contiguous(), matrix = weight.contiguous();
  const at::Tensor shift = bias.defined() ? bias.contiguous() : bias;
  const int64_t out_channels = weight.size(order == MatrixOrder::kRows ? 0 : 1);
  const PointwiseConvolution convolution = PointwiseConvolution::ForOneRun(
      matrix.data_ptr<float>(), order, shift.defined() ? shift.data_ptr<float>() : nullptr,
      out_channels, x.size(1));
  at::Tensor y = at::empty({x.size(0), out_channels, x.size(2), x.size(3)}, input.options());
  convolution.Run(input.data_ptr<float>(), x.size(0), x.size(2) * x.size(3), nullptr,
                  /*relu=*/false, y.data_ptr<float>());
  return y;
}

// The products of gradients and inputs, summed over the pixels of all images: [K, C, 1, 1].
at::Tensor WeightGradient(const at::Tensor& x, const at::Tensor& dy) {
  const at::Tensor input = x.contiguous();
  const int64_t area = x.size(2) * x.size(3), in = x.size(1), out = dy.size(1);
  at::Tensor dw = at::empty({out, in, 1, 1}, input.options());
  RowProductOptions options;
  options.matrices = x.size(0);
  RowProduct({dy.data_ptr<float>(), out, out * area}, {input.data_ptr<float>(), in, in * area},
             area, options, dw.data_ptr<float>());
  return dw;
}

class Pointwise : public torch::autograd::Function<Pointwise> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const c10::optional<at::Tensor>& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["has_bias"] = bias.has_value();
    return Run(x, weight, MatrixOrder::kRows, bias.value_or(at::Tensor()));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "TrainingPointwise has no second derivatives");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor dy = gradients[0].contiguous();
    at::Tensor dx, dw, db;
    if (context->needs_input_grad(0)) dx = Run(dy, weight, MatrixOrder::kColumns, {});
    if (context->needs_input_grad(1)) dw = WeightGradient(x, dy);
    if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(2)) {
      db = dy.sum({0, 2, 3});
    }
    return {dx, dw, db};
  }
};

bool IsPlain(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat;
}

}  // namespace

bool CanTrainPointwise(const at::Tensor& x, const at::Tensor& weight, int64_t stride,
                       int64_t padding) {
  return PanelProductAvailable() && stride == 1 && padding == 0 && weight.size(2) == 1 &&
         weight.size(3) == 1 && weight.size(1) >= kMinChannels && IsPlain(x) && IsPlain(weight) &&
         x.dim() == 4 && x.size(1) == weight.size(1) &&
         x.size(0) * x.size(2) * x.size(3) >= kMinPixels &&
         !AutocastType(c10::DeviceType::CPU).has_value();
}

at::Tensor TrainingPointwise(const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& bias) {
  // Autograd cannot track an undefined tensor as an input.
  return Pointwise::apply(x, weight,
                          bias.defined() ? c10::optional<at::Tensor>(bias) : c10::nullopt);
}

}  // namespace rcnn::detection
