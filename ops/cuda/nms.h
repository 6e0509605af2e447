// Launches of the kernels of nms_tiles.h on the GPU.

#ifndef RCNN_OPS_CUDA_NMS_H_
#define RCNN_OPS_CUDA_NMS_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "rcnn/ops/kernels/nms_tiles.h"

namespace rcnn::ops {

// A slab of 16,384 candidates has 32 MB of masks.
template <typename T>
using DeviceNmsWork = NmsWork<T, 16384>;

// T is float or double.
template <typename T>
cudaError_t LaunchNms(const DeviceNmsWork<T>& work, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_NMS_H_
