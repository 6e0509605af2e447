// Matches boxes to the ground truth of their image, for all images of a batch, by the rules of
// matcher.h.
//
// The ground truth of a batch is one tensor with a count for each image, and so are the results:
// nothing waits for a device.
//
// Example:
//   Matches matches = MatchBatch(anchors, gt_boxes, gt_counts, options, gt_is_crowd);

#ifndef RCNN_OPS_BATCH_MATCHER_H_
#define RCNN_OPS_BATCH_MATCHER_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include "rcnn/ops/matcher.h"

namespace rcnn::ops {

// Equals MatchBoxes for each image, to the last bit.
//
// B images, N boxes and at most G objects each:
//   boxes        [B, N, 4] float32|float64; or [N, 4], the same for all images
//   gt_boxes     [B, G, 4] same dtype and device; rows beyond the count are not read
//   gt_counts    [B] int64 in [0, G], same device
//   gt_is_crowd  [B, G] bool; not set: no crowds
//   eligible     [B, N] bool; not set: all boxes
//   return       [B, N] each; gt_index counts the rows of the box's image
// No gradient flows.
// Throws c10::Error naming the argument on a wrong shape, dtype or device and on options out of
// range; on the CPU also on invalid boxes, those of gt_boxes beyond the counts included, and counts
// out of range, which are the nearest of [0, G] elsewhere.
Matches MatchBatch(const at::Tensor& boxes, const at::Tensor& gt_boxes, const at::Tensor& gt_counts,
                   const MatcherOptions& options,
                   const c10::optional<at::Tensor>& gt_is_crowd = c10::nullopt,
                   const c10::optional<at::Tensor>& eligible = c10::nullopt);

// Throws c10::Error as MatchBatch does. For kernels.
void CheckMatchBatchArguments(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                              const at::Tensor& gt_counts, const MatcherOptions& options,
                              const c10::optional<at::Tensor>& gt_is_crowd,
                              const c10::optional<at::Tensor>& eligible);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_BATCH_MATCHER_H_
