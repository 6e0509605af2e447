#include "rcnn/ops/smooth_l1.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/l1_loss.h>
#include <ATen/ops/smooth_l1_loss.h>

#include <cmath>

#include "rcnn/ops/check.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/loss_checks.h"

namespace rcnn::ops {
namespace {

void CheckArguments(const at::Tensor& predictions, const at::Tensor& targets,
                    const SmoothL1Options& options) {
  CheckSmoothL1Beta(options.beta);
  CheckDtype(predictions, "predictions", {at::kFloat, at::kDouble});
  CheckShape(targets, "targets", predictions.sym_sizes());
  CheckSameDtypeAndDevice(targets, "targets", predictions, "predictions");
  CheckFinite(predictions, "predictions");
  CheckFinite(targets, "targets");
}

at::Tensor Loss(const at::Tensor& predictions, const at::Tensor& targets,
                const SmoothL1Options& options, at::Reduction::Reduction reduction) {
  CheckArguments(predictions, targets, options);
  if (options.beta == 0) return at::l1_loss(predictions, targets, reduction);
  return at::smooth_l1_loss(predictions, targets, reduction, options.beta);
}

}  // namespace

SmoothL1Options SmoothL1FromSigma(double sigma) {
  TORCH_CHECK(sigma > 0 && std::isfinite(sigma), "sigma: expected > 0 and finite, got ", sigma);
  return {1 / (sigma * sigma)};
}

at::Tensor SmoothL1(const at::Tensor& predictions, const at::Tensor& targets,
                    const SmoothL1Options& options) {
  return Loss(predictions, targets, options, at::Reduction::None);
}

at::Tensor SmoothL1Sum(const at::Tensor& predictions, const at::Tensor& targets,
                       const SmoothL1Options& options) {
  return Loss(predictions, targets, options, at::Reduction::Sum);
}

namespace {

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineCompositeOperator(m,
                          "smooth_l1(Tensor predictions, Tensor targets, float beta=1.) -> Tensor",
                          [](const at::Tensor& predictions, const at::Tensor& targets,
                             double beta) { return SmoothL1(predictions, targets, {beta}); });
}

}  // namespace

}  // namespace rcnn::ops
