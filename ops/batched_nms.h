// Greedy non-maximum suppression within each class (or level, or image).
//
// Boxes of different classes do not suppress each other. Each class is processed
// separately on the original coordinates. No offsets are added to separate classes,
// so nothing is rounded.
//
// Source: Girshick, arXiv:1504.08083, Sec. 3 (per class, at detection).
//
// Example, the detections of one image, at most 100 over all classes:
//   at::Tensor kept = BatchedNms(boxes, scores, labels, {.iou_threshold = 0.5, .max_keep = 100});

#ifndef RCNN_OPS_BATCHED_NMS_H_
#define RCNN_OPS_BATCHED_NMS_H_

#include <ATen/core/Tensor.h>

#include "rcnn/ops/kernels/nms_options.h"

namespace rcnn::ops {

// Returns the indices of the kept boxes of all classes, best score first.
//
//   boxes, scores  as for Nms (nms.h)
//   classes        [N] int64, same device; any values
//   return         [K] int64; options.max_keep counts over all classes together
// Equals Nms on each class, merged by score; equal scores in index order. Classes
// are distributed over LibTorch's threads. No gradient flows. Devices without a
// kernel use the fallback of dispatch.h.
// Throws c10::Error as Nms does.
at::Tensor BatchedNms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                      const NmsOptions& options);

// Throws c10::Error as BatchedNms does. For kernels of other devices, where values are not checked.
void CheckBatchedNmsArguments(const at::Tensor& boxes, const at::Tensor& scores,
                              const at::Tensor& classes, const NmsOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_BATCHED_NMS_H_
