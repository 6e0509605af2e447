#include "rcnn/ops/cuda/launch.h"
#include "rcnn/ops/cuda/random_mask.h"

namespace rcnn::ops {

cudaError_t LaunchFillMask(const FillRandomMask& fill, cudaStream_t stream) {
  CudaLauncher launch(stream);
  FillMask(launch, fill);
  return launch.error();
}

}  // namespace rcnn::ops
