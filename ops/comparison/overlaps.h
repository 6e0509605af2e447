// Rows of compare_with_torchvision: IoU matrices.

#ifndef RCNN_OPS_COMPARISON_OVERLAPS_H_
#define RCNN_OPS_COMPARISON_OVERLAPS_H_

#include "rcnn/ops/comparison/alternate.h"

namespace rcnn::ops {

// The peer is the steps of torchvision.ops.box_iou, which are ATen operators.
void CompareIou(Comparison* table);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_COMPARISON_OVERLAPS_H_
