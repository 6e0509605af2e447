// The losses of rpn_loss.h and fast_rcnn_loss.h over samples of a fixed capacity with counts: no
// shape depends on a number that only the device knows, so nothing waits for it.
//
// One pass computes the losses and the gradients with respect to logits and deltas, which the
// backward pass then scales (kernels/sampled_losses.h).
//
// Shapes: B images; N anchors per image; P, Q the capacities of a CountedSample
// (counter_sampler.h); R RoIs; K classes without the background.
//
// Source: Ren et al., arXiv:1506.01497v3, Eq. 1; Girshick, arXiv:1504.08083, Eq. 1 to 3.
//
// Example:
//   RpnLosses losses = SampledRpnLoss(logits, deltas, sample, target_deltas, {});
//   (losses.objectness + losses.box).backward();

#ifndef RCNN_OPS_SAMPLED_LOSSES_H_
#define RCNN_OPS_SAMPLED_LOSSES_H_

#include <ATen/core/Tensor.h>

#include "rcnn/ops/counter_sampler.h"
#include "rcnn/ops/fast_rcnn_loss.h"
#include "rcnn/ops/rpn_loss.h"

namespace rcnn::ops {

// Equals RpnLoss of the sampled anchors of all images, up to the order of sums.
//
//   logits         [B, N] float32|float64, of the sigmoid
//   deltas         [B, N, 4] same dtype and device
//   sample         rows of each image, no row twice; those beyond the counts are not read
//   target_deltas  [B, P, 4] same dtype and device, of the positive rows in order
// A normalizer that is not set is the number of sampled anchors of all images, at least 1. Without
// samples both losses are 0. Differentiable once with respect to logits and deltas.
// Throws c10::Error naming the argument on a wrong shape, dtype or device, options out of range,
// and a box_distance; on the CPU also on rows and counts out of range, and on values that are not
// finite. Elsewhere a row out of range makes its losses NaN, and gets no gradient.
RpnLosses SampledRpnLoss(const at::Tensor& logits, const at::Tensor& deltas,
                         const CountedSample& sample, const at::Tensor& target_deltas,
                         const RpnLossOptions& options);

// Equals FastRcnnLoss of the RoIs with a label >= 0, up to the order of sums.
//
//   class_logits, deltas, target_deltas  as for FastRcnnLoss
//   labels                               [R] int64 in [-1, K]; -1: the RoI does not count, and
//                                        neither are its values read
// A normalizer that is not set is the number of RoIs that count, at least 1. Differentiable once
// with respect to class_logits and deltas. Throws as above; a label out of range is as a row.
FastRcnnLosses SampledFastRcnnLoss(const at::Tensor& class_logits, const at::Tensor& deltas,
                                   const at::Tensor& labels, const at::Tensor& target_deltas,
                                   const FastRcnnLossOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_SAMPLED_LOSSES_H_
