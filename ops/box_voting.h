// Box voting: refines the boxes that NMS kept with those that it suppressed.
//
// Each kept box moves to the score-weighted mean of the boxes of its class that
// overlap it. Many RoIs cover one object, each regressed with its own error, and
// their mean has a smaller error than the box with the highest score. Scores and the
// set of kept boxes do not change, but moved boxes may overlap by more than NMS
// allowed.
//
// With the boxes b_j of scores s_j that have IoU > iou_threshold with the kept box,
// itself among them, the result is
//   sum_j s_j b_j / sum_j s_j
//
// Source: Gidaris and Komodakis, arXiv:1505.01749v3, the bounding box voting of
// their localization scheme, there with IoU 0.5 and weights max(0, s_j).
//
// Example, the detections of one image:
//   at::Tensor kept = BatchedNms(boxes, scores, labels, {.iou_threshold = 0.5});
//   at::Tensor voted = VoteBoxes(boxes, scores, labels, kept, {.iou_threshold = 0.5});

#ifndef RCNN_OPS_BOX_VOTING_H_
#define RCNN_OPS_BOX_VOTING_H_

#include <ATen/core/Tensor.h>

namespace rcnn::ops {

struct BoxVotingOptions {
  // Boxes vote on a kept box if their IoU with it is greater than this, in [0, 1].
  // The kept box itself always votes, even without area; with 1 nothing moves.
  double iou_threshold = 0.5;
  // Corners are pixels inside the box: width is x2 - x1 + 1, height likewise.
  bool inclusive = false;
};

// Returns the kept boxes, moved.
//
//   boxes    [N, 4] float32|float64, (x1, y1, x2, y2) in pixels, x2 >= x1, y2 >= y1
//   scores   [N] same dtype and device; finite, >= 0
//   classes  [N] int64, same device; any values: boxes vote within their class
//   kept     [K] int64, same device, rows of `boxes`, as BatchedNms returns them
//   return   [K, 4] in the order of `kept`, dtype and device of `boxes`
// A box is unchanged, bit for bit, if no other box votes or all scores are 0. x2 >=
// x1 and y2 >= y1 hold for the result. Sums are float64, in the order of the rows:
// they do not depend on the number of threads. In float32 the mean is within the
// smallest box around its voters, so that boxes clipped to an image stay in it; in
// float64 up to rounding. No gradient flows. Devices without a kernel use the
// fallback of dispatch.h.
// Throws c10::Error naming the argument and the first row that is not as above, and
// where a box's area exceeds half of what the dtype holds.
// O(K N) time; O(N) memory per thread. Measured in box_voting_benchmark.cc.
at::Tensor VoteBoxes(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                     const at::Tensor& kept, const BoxVotingOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_BOX_VOTING_H_
