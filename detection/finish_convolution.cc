// The gradient of the sum is that of the result where the result is positive, or all of it without
// a ReLU: it is the map's and the shortcut's, and the bias gets its sums.

#include "rcnn/detection/finish_convolution.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Optional.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>

#include "rcnn/ops/finish_map.h"

namespace rcnn::detection {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void Finish(const at::Tensor& map, const at::Tensor& bias, const at::Tensor& add, bool relu) {
  ops::FindMapFinisher(map.device().type())->finish(map, bias, add, relu);
}

class FinishedMap : public torch::autograd::Function<FinishedMap> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& map, const at::Tensor& bias,
                            const c10::optional<at::Tensor>& add, bool relu) {
    Finish(map, bias, add.value_or(at::Tensor()), relu);
    context->mark_dirty({map});
    if (relu) context->save_for_backward({map});
    context->saved_data["relu"] = relu;
    context->saved_data["bias_type"] = static_cast<int64_t>(bias.scalar_type());
    context->saved_data["adds"] = add.has_value();
    return map;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "FinishConvolution has no second derivatives");
    at::Tensor gradient = gradients[0];
    if (context->saved_data["relu"].toBool()) {
      gradient = at::threshold_backward(gradient, context->get_saved_variables()[0], 0);
    }
    at::Tensor of_bias;
    if (context->needs_input_grad(1)) {
      const auto type = static_cast<at::ScalarType>(context->saved_data["bias_type"].toInt());
      of_bias = gradient.sum({0, 2, 3}, /*keepdim=*/false, type);
    }
    const bool adds = context->saved_data["adds"].toBool();
    return {gradient, of_bias, adds ? gradient : at::Tensor(), at::Tensor()};
  }
};

bool WantsGradient(const at::Tensor& tensor) { return tensor.defined() && tensor.requires_grad(); }

}  // namespace

bool FinishesConvolutions(const c10::Device& device) {
  return ops::FindMapFinisher(device.type()) != nullptr;
}

at::Tensor FinishConvolution(at::Tensor map, const at::Tensor& bias, const at::Tensor& add,
                             bool relu) {
  // As at::conv2d checks it: kernels read all of it, and operators would repeat a single number.
  TORCH_CHECK(bias.dim() == 1 && bias.size(0) == map.size(1) && bias.device() == map.device(),
              "convolution: bias ", bias.sizes(), " on ", bias.device().str(), " for maps ",
              map.sizes(), " on ", map.device().str());
  if (!ops::CanFinishMap(map, add)) {
    map.add_(bias.to(map.scalar_type()).view({1, -1, 1, 1}));
    if (add.defined()) map.add_(add);
    return relu ? map.relu_() : map;
  }
  const bool has_gradient = at::GradMode::is_enabled() &&
                            (WantsGradient(map) || WantsGradient(bias) || WantsGradient(add));
  if (!has_gradient) {
    Finish(map, bias, add, relu);
    return map;
  }
  const auto other = add.defined() ? c10::make_optional(add) : c10::nullopt;
  return FinishedMap::apply(map, bias, other, relu);
}

}  // namespace rcnn::detection
