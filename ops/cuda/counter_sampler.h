// Launches of the kernels of balanced_sample.h on the GPU.

#ifndef RCNN_OPS_CUDA_COUNTER_SAMPLER_H_
#define RCNN_OPS_CUDA_COUNTER_SAMPLER_H_

#include <cuda_runtime_api.h>

#include "rcnn/ops/kernels/balanced_sample.h"

namespace rcnn::ops {

cudaError_t LaunchSampleExamples(const SampleWork& work, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_COUNTER_SAMPLER_H_
