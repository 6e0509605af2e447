#include "rcnn/ops/cuda/counter_sampler.h"
#include "rcnn/ops/cuda/launch.h"

namespace rcnn::ops {

cudaError_t LaunchSampleExamples(const SampleWork& work, cudaStream_t stream) {
  CudaLauncher launch(stream);
  SampleExamples(launch, work);
  return launch.error();
}

}  // namespace rcnn::ops
