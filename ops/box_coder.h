// Box coding: ground truth as deltas from a reference box, and back.
//
// A reference box (an anchor or a RoI) with centre (cx, cy) and sides w, h and a
// ground-truth box with centre (gx, gy) and sides gw, gh give the deltas
//   d = ((gx - cx) / w, (gy - cy) / h, log(gw / w), log(gh / h))
// which are then weighted and normalised, component by component:
//   t = (weight * d - mean) / stddev
// Decoding inverts both. Weights (10, 10, 5, 5) and stddev (.1, .1, .2, .2) have
// the same effect; use one of them.
//
// Source: Ren et al., arXiv:1506.01497v3, Eq. 2; Girshick et al.,
// arXiv:1311.2524, App. C. The clamp of the log sides is not in the papers: it
// keeps an untrained network from decoding infinite boxes.
//
// Example:
//   const BoxCoderOptions coder = {.weights = {10, 10, 5, 5}};
//   at::Tensor targets = EncodeBoxes(rois, matched_gt_boxes, coder);
//   at::Tensor boxes = DecodeBoxes(rois, deltas, coder);

#ifndef RCNN_OPS_BOX_CODER_H_
#define RCNN_OPS_BOX_CODER_H_

#include <ATen/core/Tensor.h>

#include "rcnn/ops/kernels/box_coder_options.h"

namespace rcnn::ops {

// Returns the deltas that lead from each box to its ground truth.
//
//   boxes     [N, 4] float32|float64, (x1, y1, x2, y2) in pixels, sides > 0
//   gt_boxes  [N, 4] same dtype and device, sides > 0; row i belongs to box i
//   return    [N, 4] same dtype, (dx, dy, dw, dh)
// Differentiable once with respect to both. N may be 0. Devices without a kernel use
// the fallback of dispatch.h.
// Throws c10::Error naming the argument and the row on a wrong shape, dtype or
// device, on a box that is not finite or has a side <= 0 (inclusive: < 0 before
// the 1 is added), on deltas that the dtype cannot hold, and on options out of
// range.
at::Tensor EncodeBoxes(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                       const BoxCoderOptions& options = {});

// Returns the decoded boxes, not clipped to any image.
//
//   boxes   [N, 4]    float32|float64, x2 >= x1, y2 >= y1
//   deltas  [N, 4 K]  same dtype and device, finite; K groups of (dx, dy, dw, dh),
//                     each relative to box i (K classes, or 1)
//   return  [N, 4 K]  same dtype
// Differentiable once with respect to both; the clamp passes no gradient above
// max_log_scale. N may be 0. Devices as for EncodeBoxes.
// Throws c10::Error naming the argument and the row on a wrong shape, dtype or
// device, on values that are not finite or decode to such, and on options out of
// range.
at::Tensor DecodeBoxes(const at::Tensor& boxes, const at::Tensor& deltas,
                       const BoxCoderOptions& options = {});

}  // namespace rcnn::ops

#endif  // RCNN_OPS_BOX_CODER_H_
