// Rows of compare_with_torchvision: RoIAlign and RoIPool, forward and backward.

#ifndef RCNN_OPS_COMPARISON_ROIS_H_
#define RCNN_OPS_COMPARISON_ROIS_H_

#include "rcnn/ops/comparison/alternate.h"

namespace rcnn::ops {

// Each side gets contiguous and channels-last input; its faster one counts.
void CompareRoiAlign(Comparison* table);
void CompareRoiPool(Comparison* table);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_COMPARISON_ROIS_H_
