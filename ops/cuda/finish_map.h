// Launch of the kernel of finish_map.h on the GPU.

#ifndef RCNN_OPS_CUDA_FINISH_MAP_H_
#define RCNN_OPS_CUDA_FINISH_MAP_H_

#include <cuda_runtime_api.h>

#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/finish_map.h"

namespace rcnn::ops {

// T is float, double, BFloat16Bits or Float16Bits.
template <typename T>
cudaError_t LaunchFinishMap(const FinishWork<T>& work, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_FINISH_MAP_H_
