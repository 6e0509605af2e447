// Launches of the kernels of resize_normalize.h on the GPU.

#ifndef RCNN_OPS_CUDA_PREPROCESS_H_
#define RCNN_OPS_CUDA_PREPROCESS_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "rcnn/ops/kernels/resize_normalize.h"

namespace rcnn::ops {

cudaError_t LaunchPreprocess(int64_t slot_height, const ResizeNormalizePixel& pixel,
                             cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_PREPROCESS_H_
