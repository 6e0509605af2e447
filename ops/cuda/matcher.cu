#include "rcnn/ops/cuda/launch.h"
#include "rcnn/ops/cuda/matcher.h"

namespace rcnn::ops {

template <typename T>
cudaError_t LaunchMatchBoxes(const MatchWork<T>& work, cudaStream_t stream) {
  CudaLauncher launch(stream);
  MatchBoxesOfImages(launch, work);
  return launch.error();
}

template cudaError_t LaunchMatchBoxes(const MatchWork<float>&, cudaStream_t);
template cudaError_t LaunchMatchBoxes(const MatchWork<double>&, cudaStream_t);

}  // namespace rcnn::ops
