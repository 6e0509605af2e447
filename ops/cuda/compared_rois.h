// The poolings of RoIs, with their gradients, for device_comparison.h.

#ifndef RCNN_OPS_CUDA_COMPARED_ROIS_H_
#define RCNN_OPS_CUDA_COMPARED_ROIS_H_

#include <vector>

#include "rcnn/ops/cuda/device_comparison.h"

namespace rcnn::ops {

// float32, float64, bfloat16, and float16, which only devices have: the CPU then computes in
// float32 from the same values.
std::vector<ComparedOperator> ComparedRoiOperators();

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_COMPARED_ROIS_H_
