// Launches of the kernels of class_detections.h on the GPU.

#ifndef RCNN_OPS_CUDA_DETECTIONS_H_
#define RCNN_OPS_CUDA_DETECTIONS_H_

#include <cuda_runtime_api.h>

#include "rcnn/ops/kernels/class_detections.h"

namespace rcnn::ops {

// A class has a candidate for each RoI at most. So slabs are small, and all classes are suppressed
// at once: 128 kB of masks for each.
using DeviceDetectionWork = DetectionWork<1024>;

cudaError_t LaunchDetections(const DeviceDetectionWork& work, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_DETECTIONS_H_
