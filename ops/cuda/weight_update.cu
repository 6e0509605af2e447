#include "rcnn/ops/cuda/launch.h"
#include "rcnn/ops/cuda/weight_update.h"

namespace rcnn::ops {

cudaError_t LaunchWeightUpdate(const WeightUpdate& update, cudaStream_t stream) {
  CudaLauncher launch(stream);
  RunWeightUpdate(launch, update);
  return launch.error();
}

}  // namespace rcnn::ops
