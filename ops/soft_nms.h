// Soft-NMS: boxes that overlap a better one lose score instead of being dropped.
//
// Takes the box with the highest score, lowers the scores of the others by how
// much they overlap it, and repeats. Class-agnostic: call it once per class. At
// detection only; for proposals and for plain suppression see nms.h.
//
// With IoU o of a box with the one just taken, its score s becomes
//   linear    s (1 - o) if o > iou_threshold, else s
//   Gaussian  s exp(-o^2 / sigma)
//
// Source: Bodla et al., arXiv:1704.04503v2, Eq. 2 and 3 and Fig. 2.
//
// Example:
//   const SoftNmsResult result = SoftNms(boxes, scores, {.sigma = 0.5});
//   at::Tensor kept = boxes.index_select(0, result.kept);

#ifndef RCNN_OPS_SOFT_NMS_H_
#define RCNN_OPS_SOFT_NMS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>

namespace rcnn::ops {

struct SoftNmsOptions {
  enum class Decay { kLinear, kGaussian };
  Decay decay = Decay::kGaussian;
  // Linear only: IoUs up to this cost nothing. In [0, 1].
  double iou_threshold = 0.3;
  // Gaussian only; > 0.
  double sigma = 0.5;
  // Boxes whose score falls below this are dropped. >= 0.
  double score_threshold = 0.001;
  // At most this many boxes are kept, >= 0.
  int64_t max_keep = std::numeric_limits<int64_t>::max();
  // Corners are pixels inside the box: width is x2 - x1 + 1, height likewise.
  bool inclusive = false;
};

struct SoftNmsResult {
  at::Tensor kept;    // [K] int64, in the order in which boxes were taken
  at::Tensor scores;  // [K] lowered scores, descending, dtype of the input
};

// Returns the boxes in the order taken, with their lowered scores.
//
//   boxes   [N, 4] float32|float64, (x1, y1, x2, y2) in pixels, x2 >= x1, y2 >= y1
//   scores  [N]    same dtype and device; finite, >= 0
// Of equal scores the lower index is taken first. N == 0 gives [0]. Boxes of zero
// area overlap nothing. No gradient flows. Devices without a kernel use the fallback
// of dispatch.h.
// Throws c10::Error as Nms does (nms.h), and on the first score < 0.
// Scores never rise, so a score is updated only when its box comes to the front of
// the queue; the result is the same as updating all of them each time. O(N log N)
// time, plus the overlaps of the boxes that come to the front with those taken; O(N)
// memory.
SoftNmsResult SoftNms(const at::Tensor& boxes, const at::Tensor& scores,
                      const SoftNmsOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_SOFT_NMS_H_
