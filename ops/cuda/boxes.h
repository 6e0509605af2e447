// Launches of the kernels of box_overlap.h and box_clip.h on the GPU.

#ifndef RCNN_OPS_CUDA_BOXES_H_
#define RCNN_OPS_CUDA_BOXES_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "rcnn/ops/kernels/box_clip.h"
#include "rcnn/ops/kernels/box_overlap.h"

namespace rcnn::ops {

// T is float or double.
template <typename T>
cudaError_t LaunchOverlapMatrix(const OverlapMatrixKernel<T>& kernel, cudaStream_t stream);

// Clips `count` boxes.
template <typename T>
cudaError_t LaunchBoxClip(int64_t count, const ClipRow<T>& row, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_BOXES_H_
