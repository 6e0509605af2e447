// Non-maximum suppression whose result has a fixed size and a count: nothing waits for a device.
//
// For the rules see nms.h and batched_nms.h. On the CPU, where nothing is waited for, those are
// simpler to use.
//
// Example:
//   CountedIndices kept = CountedNms(boxes, scores, {.iou_threshold = 0.7, .max_keep = 300});

#ifndef RCNN_OPS_COUNTED_NMS_H_
#define RCNN_OPS_COUNTED_NMS_H_

#include <ATen/core/Tensor.h>

#include "rcnn/ops/kernels/nms_options.h"

namespace rcnn::ops {

// On the device of the boxes.
struct CountedIndices {
  at::Tensor kept;   // [min(N, max_keep)] int64, best score first; 0 beyond the count
  at::Tensor count;  // [] int64
};

// The indices of Nms, and their number. Arguments and errors are those of Nms.
CountedIndices CountedNms(const at::Tensor& boxes, const at::Tensor& scores,
                          const NmsOptions& options);

// The indices of BatchedNms, likewise.
CountedIndices CountedBatchedNms(const at::Tensor& boxes, const at::Tensor& scores,
                                 const at::Tensor& classes, const NmsOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_COUNTED_NMS_H_
