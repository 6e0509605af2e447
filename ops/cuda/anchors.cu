#include "rcnn/ops/cuda/anchors.h"
#include "rcnn/ops/cuda/launch.h"

namespace rcnn::ops {

cudaError_t LaunchPlaceAnchors(int64_t count, const PlaceAnchor& anchor, cudaStream_t stream) {
  CudaLauncher launch(stream);
  LaunchForEach(launch, count, anchor);
  return launch.error();
}

}  // namespace rcnn::ops
