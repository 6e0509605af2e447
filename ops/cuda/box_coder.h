// Launches of the kernels of box_coding.h on the GPU.

#ifndef RCNN_OPS_CUDA_BOX_CODER_H_
#define RCNN_OPS_CUDA_BOX_CODER_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "rcnn/ops/kernels/box_coding.h"

namespace rcnn::ops {

// Each calls the row for [0, count). T is float or double.
template <typename T>
cudaError_t LaunchBoxCoding(int64_t count, const EncodeRow<T>& row, cudaStream_t stream);
template <typename T>
cudaError_t LaunchBoxCoding(int64_t count, const DecodeRow<T>& row, cudaStream_t stream);
template <typename T>
cudaError_t LaunchBoxCoding(int64_t count, const EncodeBackwardRow<T>& row, cudaStream_t stream);
template <typename T>
cudaError_t LaunchBoxCoding(int64_t count, const DecodeBackwardRow<T>& row, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_BOX_CODER_H_
