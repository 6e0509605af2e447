// Launches of the kernels of sampled_losses.h on the GPU.

#ifndef RCNN_OPS_CUDA_SAMPLED_LOSSES_H_
#define RCNN_OPS_CUDA_SAMPLED_LOSSES_H_

#include <cuda_runtime_api.h>

#include "rcnn/ops/kernels/sampled_losses.h"

namespace rcnn::ops {

// T is float or double.
template <typename T>
cudaError_t LaunchRpnLosses(const RpnLossWork<T>& work, cudaStream_t stream);

template <typename T>
cudaError_t LaunchHeadLosses(const HeadLossWork<T>& work, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_SAMPLED_LOSSES_H_
