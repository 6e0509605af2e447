#include "rcnn/ops/cuda/detections.h"
#include "rcnn/ops/cuda/launch.h"

namespace rcnn::ops {

cudaError_t LaunchDetections(const DeviceDetectionWork& work, cudaStream_t stream) {
  CudaLauncher launch(stream);
  FindDetections(launch, work);
  return launch.error();
}

}  // namespace rcnn::ops
