#include "rcnn/ops/sampled_losses.h"

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>
#include <tuple>

#include "rcnn/ops/cpu/serial_grid.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/sampled_losses_request.h"

namespace rcnn::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Losses [2], and their gradients with respect to logits and deltas.
using LossTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

LossTensors RpnLossOnCpuOrMeta(const at::Tensor& logits, const at::Tensor& deltas,
                               const at::Tensor& positive, const at::Tensor& positive_count,
                               const at::Tensor& target_deltas, const at::Tensor& negative,
                               const at::Tensor& negative_count,
                               c10::optional<double> objectness_normalizer,
                               c10::optional<double> box_normalizer, double box_weight,
                               double beta) {
  const SampledRpnRequest request = ReadSampledRpnRequest(
      logits, deltas, positive, positive_count, target_deltas, negative, negative_count,
      objectness_normalizer, box_normalizer, box_weight, beta);
  const SampledLossResults results =
      AllocateSampledLoss(request.logits, request.deltas, request.rows());
  if (!logits.is_meta()) {
    AT_DISPATCH_FLOATING_TYPES(logits.scalar_type(), "sampled_rpn_loss", [&] {
      SerialGrid launch;
      ComputeRpnLosses(launch, MakeRpnLossWork<scalar_t>(request, results));
    });
  }
  return results.ToTuple();
}

LossTensors FastRcnnLossOnCpuOrMeta(const at::Tensor& class_logits, const at::Tensor& deltas,
                                    const at::Tensor& labels, const at::Tensor& target_deltas,
                                    c10::optional<double> normalizer, double box_weight,
                                    double beta) {
  const SampledFastRcnnRequest request = ReadSampledFastRcnnRequest(
      class_logits, deltas, labels, target_deltas, normalizer, box_weight, beta);
  const SampledLossResults results =
      AllocateSampledLoss(request.class_logits, request.deltas, request.rows());
  if (!class_logits.is_meta()) {
    AT_DISPATCH_FLOATING_TYPES(class_logits.scalar_type(), "sampled_fast_rcnn_loss", [&] {
      SerialGrid launch;
      ComputeHeadLosses(launch, MakeHeadLossWork<scalar_t>(request, results));
    });
  }
  return results.ToTuple();
}

// The scaling as a separate node, so that differentiating it is an error and not a silent 0.
class SampledLossGradient : public Function<SampledLossGradient> {
 public:
  static variable_list forward(AutogradContext*, const at::Tensor& grad,
                               const at::Tensor& grad_logits, const at::Tensor& grad_deltas) {
    return {grad_logits * grad.select(0, 0), grad_deltas * grad.select(0, 1)};
  }
  static variable_list backward(AutogradContext*, const variable_list&) {
    TORCH_CHECK(false, "the gradient of sampled losses cannot be differentiated again");
  }
};

// The losses [2] of `compute` as a function of the logits and deltas that it reads.
class SampledLossFunction : public Function<SampledLossFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& /*logits*/,
                            const at::Tensor& /*deltas*/,
                            const std::function<LossTensors()>& compute) {
    const at::AutoDispatchBelowADInplaceOrView below;
    auto [losses, grad_logits, grad_deltas] = compute();
    ctx->save_for_backward({grad_logits, grad_deltas});
    return losses;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const variable_list scaled = SampledLossGradient::apply(grads[0], saved[0], saved[1]);
    return {scaled[0], scaled[1], at::Tensor()};
  }
};

at::Tensor Differentiable(const at::Tensor& logits, const at::Tensor& deltas,
                          const std::function<LossTensors()>& compute) {
  if (at::GradMode::is_enabled() && (logits.requires_grad() || deltas.requires_grad())) {
    return SampledLossFunction::apply(logits, deltas, compute);
  }
  return std::get<0>(compute());
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "_sampled_rpn_loss(Tensor logits, Tensor deltas, Tensor positive, "
                 "Tensor positive_count, Tensor target_deltas, Tensor negative, "
                 "Tensor negative_count, float? objectness_normalizer, float? box_normalizer, "
                 "float box_weight, float beta) "
                 "-> (Tensor losses, Tensor grad_logits, Tensor grad_deltas)",
                 &RpnLossOnCpuOrMeta, &RpnLossOnCpuOrMeta);
  DefineOperator(m,
                 "_sampled_fast_rcnn_loss(Tensor class_logits, Tensor deltas, Tensor labels, "
                 "Tensor target_deltas, float? normalizer, float box_weight, float beta) "
                 "-> (Tensor losses, Tensor grad_logits, Tensor grad_deltas)",
                 &FastRcnnLossOnCpuOrMeta, &FastRcnnLossOnCpuOrMeta);
  DefineCompositeOperator(
      m,
      "sampled_rpn_loss(Tensor logits, Tensor deltas, Tensor positive, Tensor positive_count, "
      "Tensor target_deltas, Tensor negative, Tensor negative_count, *, "
      "float? objectness_normalizer=None, float? box_normalizer=None, float box_weight=1., "
      "float beta=0.1111111111111111) -> (Tensor objectness, Tensor box)",
      [](const at::Tensor& logits, const at::Tensor& deltas, const at::Tensor& positive,
         const at::Tensor& positive_count, const at::Tensor& target_deltas,
         const at::Tensor& negative, const at::Tensor& negative_count,
         c10::optional<double> objectness_normalizer, c10::optional<double> box_normalizer,
         double box_weight, double beta) {
        const RpnLosses losses = SampledRpnLoss(
            logits, deltas, {positive, positive_count, negative, negative_count}, target_deltas,
            {objectness_normalizer, box_normalizer, box_weight, beta});
        return std::make_tuple(losses.objectness, losses.box);
      });
  DefineCompositeOperator(
      m,
      "sampled_fast_rcnn_loss(Tensor class_logits, Tensor deltas, Tensor labels, "
      "Tensor target_deltas, *, float? normalizer=None, float box_weight=1., float beta=1.) "
      "-> (Tensor classification, Tensor box)",
      [](const at::Tensor& class_logits, const at::Tensor& deltas, const at::Tensor& labels,
         const at::Tensor& target_deltas, c10::optional<double> normalizer, double box_weight,
         double beta) {
        const FastRcnnLosses losses = SampledFastRcnnLoss(
            class_logits, deltas, labels, target_deltas, {normalizer, box_weight, beta});
        return std::make_tuple(losses.classification, losses.box);
      });
}

}  // namespace

RpnLosses SampledRpnLoss(const at::Tensor& logits, const at::Tensor& deltas,
                         const CountedSample& sample, const at::Tensor& target_deltas,
                         const RpnLossOptions& options) {
  TORCH_CHECK(!options.box_distance, "box_distance: is not for samples of a fixed capacity");
  static const auto op = FindOperator<decltype(RpnLossOnCpuOrMeta)>("_sampled_rpn_loss");
  const at::Tensor losses = Differentiable(logits, deltas, [&] {
    return op.call(logits, deltas, sample.positive, sample.positive_count, target_deltas,
                   sample.negative, sample.negative_count, options.objectness_normalizer,
                   options.box_normalizer, options.box_weight, options.beta);
  });
  return {losses.select(0, 0), losses.select(0, 1)};
}

FastRcnnLosses SampledFastRcnnLoss(const at::Tensor& class_logits, const at::Tensor& deltas,
                                   const at::Tensor& labels, const at::Tensor& target_deltas,
                                   const FastRcnnLossOptions& options) {
  TORCH_CHECK(!options.box_distance, "box_distance: is not for samples of a fixed capacity");
  static const auto op = FindOperator<decltype(FastRcnnLossOnCpuOrMeta)>("_sampled_fast_rcnn_loss");
  const at::Tensor losses = Differentiable(class_logits, deltas, [&] {
    return op.call(class_logits, deltas, labels, target_deltas, options.normalizer,
                   options.box_weight, options.beta);
  });
  return {losses.select(0, 0), losses.select(0, 1)};
}

}  // namespace rcnn::ops
