// torch.ops.rcnn: smooth_l1, rpn_loss, fast_rcnn_loss.

#include <torch/library.h>

#include <tuple>

#include "rcnn/ops/fast_rcnn_loss.h"
#include "rcnn/ops/rpn_loss.h"
#include "rcnn/ops/smooth_l1.h"

namespace rcnn::ops {
namespace {

at::Tensor SmoothL1Op(const at::Tensor &predictions, const at::Tensor &targets, double beta) {
  return SmoothL1(predictions, targets, {beta});
}

std::tuple<at::Tensor, at::Tensor> RpnLossOp(const at::Tensor &objectness, const at::Tensor &deltas,
                                             const at::Tensor &positive, const at::Tensor &negative,
                                             const at::Tensor &target_deltas,
                                             c10::optional<double> objectness_normalizer,
                                             c10::optional<double> box_normalizer,
                                             double box_weight, double beta) {
  const RpnLosses losses = RpnLoss(objectness, deltas, positive, negative, target_deltas,
                                   {objectness_normalizer, box_normalizer, box_weight, beta});
  return {losses.objectness, losses.box};
}

std::tuple<at::Tensor, at::Tensor> FastRcnnLossOp(const at::Tensor &class_logits,
                                                  const at::Tensor &deltas,
                                                  const at::Tensor &labels,
                                                  const at::Tensor &target_deltas,
                                                  c10::optional<double> normalizer,
                                                  double box_weight, double beta) {
  const FastRcnnLosses losses =
      FastRcnnLoss(class_logits, deltas, labels, target_deltas, {normalizer, box_weight, beta});
  return {losses.classification, losses.box};
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  m.def("smooth_l1(Tensor predictions, Tensor targets, float beta=1.) -> Tensor", &SmoothL1Op);
  m.def(
      "rpn_loss(Tensor objectness, Tensor deltas, Tensor positive, Tensor "
      "negative, "
      "Tensor target_deltas, *, float? objectness_normalizer=None, float? "
      "box_normalizer=None, "
      "float box_weight=1., float beta=0.1111111111111111) -> (Tensor "
      "objectness, Tensor box)",
      &RpnLossOp);
  m.def(
      "fast_rcnn_loss(Tensor class_logits, Tensor deltas, Tensor labels, "
      "Tensor target_deltas, *, "
      "float? normalizer=None, float box_weight=1., float beta=1.) "
      "-> (Tensor classification, Tensor box)",
      &FastRcnnLossOp);
}

}  // namespace
}  // namespace rcnn::ops
