// Launches of the kernels of box_overlap.h on the GPU.

#ifndef RCNN_OPS_CUDA_BOXES_H_
#define RCNN_OPS_CUDA_BOXES_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "rcnn/ops/kernels/box_overlap.h"

namespace rcnn::ops {

// T is float or double.
template <typename T>
cudaError_t LaunchOverlapMatrix(const OverlapMatrixKernel<T>& kernel, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_BOXES_H_
