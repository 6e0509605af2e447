// Matches anchors or RoIs to ground truth by IoU: foreground, background, or
// ignored.
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 3.1.2 (RPN: 0.7 and 0.3, and the
// best anchor of every object); Girshick, arXiv:1504.08083, Sec. 2.3 (RoIs: 0.5
// and [0.1, 0.5)).
//
// Example, the targets of a region proposal network for one image:
//   Matches matches = MatchBoxes(anchors, gt_boxes, {}, gt_is_crowd, inside);
//   BalancedSample sample = SampleImageByCounters(matches.labels, image_id, key, {});
//   at::Tensor gt = gt_boxes.index_select(0, matches.gt_index.index_select(0, sample.positive));

#ifndef RCNN_OPS_MATCHER_H_
#define RCNN_OPS_MATCHER_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

namespace rcnn::ops {

struct MatcherOptions {
  // With IoU >= this a box is foreground, in (0, 1].
  double foreground_iou = 0.7;
  // With background_min_iou <= IoU < background_max_iou it is background; with
  // any other IoU it is ignored. 0 <= min <= max <= foreground_iou.
  double background_max_iou = 0.3;
  double background_min_iou = 0;
  // For every ground-truth box, the boxes that tie for its best IoU are foreground,
  // however low the IoU, if it is > min_best_iou, in [0, 1). The default of 0 deviates
  // from the code of 2015, where an object that no anchor touches makes all anchors
  // foreground.
  bool match_best_of_each_gt = true;
  double min_best_iou = 0;
  // A background box with more than this fraction of its area in a crowd region is
  // ignored instead, in [0, 1].
  double crowd_share = 0.7;
  // Foreground boxes in a crowd region are ignored too, as with the proposals of 2015.
  bool crowd_hides_foreground = false;
  // The "+1" arithmetic of boxes.h.
  bool inclusive = false;
};

// Labels of MatchBoxes.
constexpr int64_t kForeground = 1;
constexpr int64_t kBackground = 0;
constexpr int64_t kIgnored = -1;

// One element per box, on the device of the boxes.
struct Matches {
  // [N] int64: kForeground, kBackground or kIgnored.
  at::Tensor labels;
  // [N] int64: the ground-truth box with the highest IoU, the first of equal ones;
  // -1 if there is none. Also for a box that is foreground only as the best box of
  // another ground-truth box.
  at::Tensor gt_index;
  // [N] of the boxes' dtype: that IoU, 0 where gt_index is -1.
  at::Tensor iou;
};

// Matches every box with the ground truth of its image.
//
//   boxes        [N, 4] float32|float64, (x1, y1, x2, y2) in pixels
//   gt_boxes     [M, 4] same dtype and device; M may be 0: all boxes have IoU 0
//   gt_is_crowd  [M]    bool; true for crowd or ignore regions, which match nothing
//                       and only hide boxes. Not given: none
//   eligible     [N]    bool; boxes with false are ignored, with gt_index -1, and
//                       never count as a best box. Not given: all eligible
// No gradient flows. Ties are broken by index; the result does not depend on the
// number of threads. Never holds the N x M matrix: O(N M) time, O(N + M) memory.
// Devices without a kernel use the fallback of dispatch.h.
// Throws c10::Error naming the argument and row on a wrong shape, dtype or device,
// invalid boxes, and options out of range.
Matches MatchBoxes(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                   const MatcherOptions& options,
                   const c10::optional<at::Tensor>& gt_is_crowd = c10::nullopt,
                   const c10::optional<at::Tensor>& eligible = c10::nullopt);

// Throws c10::Error naming the option that is out of range. For kernels of batch_matcher.h.
void CheckMatcherOptions(const MatcherOptions& options);

// Throws c10::Error as MatchBoxes does. For kernels of other devices, where values are not checked.
void CheckMatchArguments(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                         const MatcherOptions& options,
                         const c10::optional<at::Tensor>& gt_is_crowd,
                         const c10::optional<at::Tensor>& eligible);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_MATCHER_H_
