// The autograd function that is common to the convolutions of training; internal to this folder.
//
// A convolution with its bias, a second summand (the shortcut of a residual block) and a ReLU is
// one function, so that these are applied while the sums are in registers: apart, each reads and
// writes the whole map once more. The ReLU's decisions are those of the saved output. In the
// backward pass the same holds for the ReLU before it, and for other readers of its input
// (training_epilogue.h).
//
// Example, a method and its use:
//   struct Method {
//     static at::Tensor Output(const at::Tensor& x, const at::Tensor& weight,
//                              const at::Tensor& bias, const TrainingEpilogue& epilogue,
//                              const KernelMotion& motion);
//     static at::Tensor InputGradient(const at::Tensor& weight, const at::Tensor& dy,
//                                     at::IntArrayRef x_sizes, const KernelMotion& motion,
//                                     const GradientEpilogue& epilogue);
//     static at::Tensor WeightGradient(const at::Tensor& x, const at::Tensor& dy,
//                                      at::IntArrayRef weight_sizes, const KernelMotion& motion);
//   };
//   inline at::Tensor Convolve(const at::Tensor& x, const at::Tensor& weight) {
//     return Train<Method>(x, weight, {}, {}, {/*stride=*/2, /*padding=*/1});
//   }

#ifndef RCNN_DETECTION_CONVOLUTION_TRAINING_FUNCTION_H_
#define RCNN_DETECTION_CONVOLUTION_TRAINING_FUNCTION_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/threshold_backward.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>
#include <utility>

#include "rcnn/detection/convolution/training_epilogue.h"

namespace rcnn::detection {

struct KernelMotion {
  int64_t stride = 1, padding = 0;
};

template <typename Method>
class TrainedConvolution : public torch::autograd::Function<TrainedConvolution<Method>> {
 public:
  using Context = torch::autograd::AutogradContext;
  using Tensors = torch::autograd::variable_list;
  // Autograd cannot track an undefined tensor as an input.
  using Optional = c10::optional<at::Tensor>;

  // The output, and x again if `passes_input`.
  static Tensors forward(Context* context, const at::Tensor& x, const at::Tensor& weight,
                         const Optional& bias, const Optional& add, bool relu,
                         bool output_is_masked, bool masks_input, bool passes_input, int64_t stride,
                         int64_t padding) {
    const at::Tensor y = Method::Output(x, weight, bias.value_or(at::Tensor()),
                                        {add.value_or(at::Tensor()), relu}, {stride, padding});
    Tensors saved = {x, weight};
    if (relu && !output_is_masked) saved.push_back(y);
    context->save_for_backward(std::move(saved));
    context->saved_data["has_bias"] = bias.has_value();
    context->saved_data["has_add"] = add.has_value();
    context->saved_data["masks_input"] = masks_input;
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    if (passes_input) return {y, x};
    return {y};
  }

  static Tensors backward(Context* context, const Tensors& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "a convolution of rcnn's own has no second derivatives");
    const Tensors saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const KernelMotion motion = {context->saved_data["stride"].toInt(),
                                 context->saved_data["padding"].toInt()};
    const bool has_bias = context->saved_data["has_bias"].toBool();
    at::Tensor dy = gradients[0].contiguous();
    if (saved.size() == 3) dy = at::threshold_backward(dy, saved[2], 0);
    at::Tensor dx, dw, db, of_add;
    if (context->needs_input_grad(0)) {
      GradientEpilogue epilogue;
      if (gradients.size() == 2) epilogue.add = gradients[1];
      if (context->saved_data["masks_input"].toBool()) epilogue.mask = x;
      dx = Method::InputGradient(weight, dy, x.sizes(), motion, epilogue);
    }
    if (context->needs_input_grad(1)) {
      dw = Method::WeightGradient(x, dy, weight.sizes(), motion);
    }
    if (has_bias && context->needs_input_grad(2)) db = dy.sum({0, 2, 3});
    if (context->saved_data["has_add"].toBool()) of_add = dy;
    const at::Tensor none;
    return {dx, dw, db, of_add, none, none, none, none, none, none};
  }
};

// x [N, C, H, W], weight [K, C, k, k], bias [K] or undefined -> the output, contiguous.
// Differentiable once.
template <typename Method>
at::Tensor Train(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                 const TrainingEpilogue& epilogue, const KernelMotion& motion) {
  const auto optional = [](const at::Tensor& tensor) {
    return tensor.defined() ? c10::optional<at::Tensor>(tensor) : c10::nullopt;
  };
  const GradientLinks& links = epilogue.links;
  // An output of the function has a gradient, and one that nobody wants would be computed.
  const bool passes_input = links.input != nullptr && x.requires_grad();
  const torch::autograd::variable_list outputs = TrainedConvolution<Method>::apply(
      x, weight, optional(bias), optional(epilogue.add), epilogue.relu, links.output_is_masked,
      links.masks_input, passes_input, motion.stride, motion.padding);
  if (links.input != nullptr) *links.input = passes_input ? outputs[1] : x;
  return outputs[0];
}

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_TRAINING_FUNCTION_H_
