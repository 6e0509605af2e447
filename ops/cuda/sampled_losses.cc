#include "rcnn/ops/cuda/sampled_losses.h"

#include <ATen/Dispatch.h>
#include <torch/library.h>

#include <tuple>

#include "rcnn/ops/cuda/registration.h"
#include "rcnn/ops/sampled_losses_request.h"

namespace rcnn::ops {
namespace {

using LossTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

LossTensors RpnLossOnCuda(const at::Tensor& logits, const at::Tensor& deltas,
                          const at::Tensor& positive, const at::Tensor& positive_count,
                          const at::Tensor& target_deltas, const at::Tensor& negative,
                          const at::Tensor& negative_count,
                          c10::optional<double> objectness_normalizer,
                          c10::optional<double> box_normalizer, double box_weight, double beta) {
  const c10::cuda::CUDAGuard guard(logits.device());
  const SampledRpnRequest request = ReadSampledRpnRequest(
      logits, deltas, positive, positive_count, target_deltas, negative, negative_count,
      objectness_normalizer, box_normalizer, box_weight, beta);
  const SampledLossResults results =
      AllocateSampledLoss(request.logits, request.deltas, request.rows());
  AT_DISPATCH_FLOATING_TYPES(logits.scalar_type(), "sampled_rpn_loss", [&] {
    const RpnLossWork<scalar_t> work = MakeRpnLossWork<scalar_t>(request, results);
    CheckLaunch(LaunchRpnLosses(work, CurrentStream()), "sampled_rpn_loss");
  });
  return results.ToTuple();
}

LossTensors FastRcnnLossOnCuda(const at::Tensor& class_logits, const at::Tensor& deltas,
                               const at::Tensor& labels, const at::Tensor& target_deltas,
                               c10::optional<double> normalizer, double box_weight, double beta) {
  const c10::cuda::CUDAGuard guard(class_logits.device());
  const SampledFastRcnnRequest request = ReadSampledFastRcnnRequest(
      class_logits, deltas, labels, target_deltas, normalizer, box_weight, beta);
  const SampledLossResults results =
      AllocateSampledLoss(request.class_logits, request.deltas, request.rows());
  AT_DISPATCH_FLOATING_TYPES(class_logits.scalar_type(), "sampled_fast_rcnn_loss", [&] {
    const HeadLossWork<scalar_t> work = MakeHeadLossWork<scalar_t>(request, results);
    CheckLaunch(LaunchHeadLosses(work, CurrentStream()), "sampled_fast_rcnn_loss");
  });
  return results.ToTuple();
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) {
  m.impl("_sampled_rpn_loss", &RpnLossOnCuda);
  m.impl("_sampled_fast_rcnn_loss", &FastRcnnLossOnCuda);
}

}  // namespace
}  // namespace rcnn::ops
