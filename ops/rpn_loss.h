// The loss of a region proposal network over sampled anchors.
//
//   objectness = sum of log losses over the sampled anchors / n_cls
//   box        = box_weight * sum of smooth L1 over the positive ones / n_reg
// Published recipes differ only in n_cls, n_reg, box_weight and beta:
//                                 n_cls      n_reg      box_weight  beta
//   mean over the sample (2015)   sampled    sampled    1           1/9 (sigma 3)
//   fixed minibatch               256 B      256 B      1           0
//   as printed in the paper       256        about 2400 10          1 (sigma 1)
// with B images of 256 anchors each. "sampled" is what an unset normalizer means.
//
// Source: Ren et al., arXiv:1506.01497v3, Eq. 1 and Sec. 3.1.2.
//
// Example, for a head with objectness [B, A, H, W] and deltas [B, 4 A, H, W]:
//   at::Tensor logits = FlattenObjectness(objectness_map, false).flatten();
//   at::Tensor deltas = FlattenDeltas(delta_map).flatten(0, 1);
//   RpnLosses losses = RpnLoss(logits, deltas, positive, negative, target_deltas, {});

#ifndef RCNN_OPS_RPN_LOSS_H_
#define RCNN_OPS_RPN_LOSS_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <functional>

namespace rcnn::ops {

// Returns the head's objectness in the order of the anchors (row, column, anchor),
// [B, H W A] for one logit per anchor, from `map` [B, A, H, W].
// two_classes: `map` is [B, 2 A, H, W], in the channel order of 2015: background of
// all A anchors, then foreground of all; returns [B, H W A, 2] (background,
// foreground). Differentiable; a view or one copy. Throws c10::Error on another rank
// or an odd number of channels with two_classes.
at::Tensor FlattenObjectness(const at::Tensor& map, bool two_classes);

// Returns the head's deltas [B, H W A, 4] in the same order, from `map` [B, 4 A, H,
// W] with the four of an anchor side by side. Differentiable. Throws c10::Error on
// another rank or if the number of channels is not a multiple of 4.
at::Tensor FlattenDeltas(const at::Tensor& map);

struct RpnLossOptions {
  // Divides the sum of log losses, > 0. Not set: the number of sampled anchors.
  c10::optional<double> objectness_normalizer = c10::nullopt;
  // Divides the sum of smooth L1, > 0. Not set: the number of sampled anchors.
  c10::optional<double> box_normalizer = c10::nullopt;
  // Factor of the box loss (lambda of Eq. 1), >= 0.
  double box_weight = 1;
  // Of smooth_l1.h, >= 0.
  double beta = 1.0 / 9;
  // If set, the summed box loss of predictions [P, 4] and targets [P, 4], in place of
  // smooth L1: a scalar with a gradient to the predictions.
  std::function<at::Tensor(const at::Tensor& predictions, const at::Tensor& targets)> box_distance =
      nullptr;
};

// Scalars of the arguments' dtype.
struct RpnLosses {
  at::Tensor objectness;
  at::Tensor box;
};

// Returns the losses of the sampled anchors of all images together.
//
// N anchors of all images one after another, P positive and Q negative sampled:
//   objectness     [N]    float32|float64 logits: sigmoid cross-entropy; or
//                  [N, 2] logits of (background, foreground): softmax over the two
//   deltas         [N, 4] same dtype and device
//   positive       [P]    int64 in [0, N)
//   negative       [Q]    int64 in [0, N)
//   target_deltas  [P, 4] same dtype and device, of the positive anchors in order
// Differentiable with respect to objectness and deltas. Without samples both losses
// are 0 (and so are the gradients). Only sampled rows are read.
// Throws c10::Error naming the argument and row on a wrong shape, dtype or device,
// an index out of range, logits or deltas that are not finite in a sampled row, and
// options out of range.
RpnLosses RpnLoss(const at::Tensor& objectness, const at::Tensor& deltas,
                  const at::Tensor& positive, const at::Tensor& negative,
                  const at::Tensor& target_deltas, const RpnLossOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_RPN_LOSS_H_
