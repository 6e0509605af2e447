// Launches of the kernels of weight_update.h on the GPU.

#ifndef RCNN_OPS_CUDA_WEIGHT_UPDATE_H_
#define RCNN_OPS_CUDA_WEIGHT_UPDATE_H_

#include <cuda_runtime_api.h>

#include "rcnn/ops/kernels/weight_update.h"

namespace rcnn::ops {

cudaError_t LaunchWeightUpdate(const WeightUpdate& update, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_WEIGHT_UPDATE_H_
