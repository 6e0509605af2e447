// The operators of training alone, for device_comparison.h: matching, sampling, losses, the mask of
// dropout, updates of the weights.

#ifndef RCNN_OPS_CUDA_COMPARED_TRAINING_H_
#define RCNN_OPS_CUDA_COMPARED_TRAINING_H_

#include <vector>

#include "rcnn/ops/cuda/device_comparison.h"

namespace rcnn::ops {

// Losses with their gradients. Some batches have images without objects. Labels, samples, masks and
// what SGD makes of weights must be equal; AdamW's bias correction has a pow, whose last bit may
// differ.
std::vector<ComparedOperator> ComparedTrainingOperators();

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_COMPARED_TRAINING_H_
