#include "rcnn/ops/cuda/launch.h"
#include "rcnn/ops/cuda/preprocess.h"

namespace rcnn::ops {

cudaError_t LaunchPreprocess(int64_t slot_height, const ResizeNormalizePixel& pixel,
                             cudaStream_t stream) {
  CudaLauncher launch(stream);
  ResizeAndNormalize(launch, slot_height, pixel);
  return launch.error();
}

}  // namespace rcnn::ops
