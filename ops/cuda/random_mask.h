// Launch of the kernel of random_mask.h on the GPU.

#ifndef RCNN_OPS_CUDA_RANDOM_MASK_H_
#define RCNN_OPS_CUDA_RANDOM_MASK_H_

#include <cuda_runtime_api.h>

#include "rcnn/ops/kernels/random_mask.h"

namespace rcnn::ops {

cudaError_t LaunchFillMask(const FillRandomMask& fill, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_RANDOM_MASK_H_
