// The operators on boxes and images for device_comparison.h: overlaps, coding, suppression,
// proposals, preprocessing.

#ifndef RCNN_OPS_CUDA_COMPARED_BOXES_H_
#define RCNN_OPS_CUDA_COMPARED_BOXES_H_

#include <vector>

#include "rcnn/ops/cuda/device_comparison.h"

namespace rcnn::ops {

// Indices must be equal: the arithmetic that decides is the same on both devices. Only proposals
// "with log sides" allow 2 % of the boxes to differ, because exp is rounded differently and an IoU
// at the threshold then decides otherwise.
std::vector<ComparedOperator> ComparedBoxOperators();

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_COMPARED_BOXES_H_
