// Launches of the kernels of box_matching.h on the GPU.

#ifndef RCNN_OPS_CUDA_MATCHER_H_
#define RCNN_OPS_CUDA_MATCHER_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "rcnn/ops/kernels/box_matching.h"

namespace rcnn::ops {

// T is float or double.
template <typename T>
cudaError_t LaunchMatchBoxes(const MatchWork<T>& work, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_MATCHER_H_
