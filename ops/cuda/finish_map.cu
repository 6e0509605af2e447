#include "rcnn/ops/cuda/finish_map.h"
#include "rcnn/ops/cuda/launch.h"

namespace rcnn::ops {

template <typename T>
cudaError_t LaunchFinishMap(const FinishWork<T>& work, cudaStream_t stream) {
  CudaLauncher launch(stream);
  FinishChannelsLast(launch, work);
  return launch.error();
}

template cudaError_t LaunchFinishMap(const FinishWork<float>&, cudaStream_t);
template cudaError_t LaunchFinishMap(const FinishWork<double>&, cudaStream_t);
template cudaError_t LaunchFinishMap(const FinishWork<BFloat16Bits>&, cudaStream_t);
template cudaError_t LaunchFinishMap(const FinishWork<Float16Bits>&, cudaStream_t);

}  // namespace rcnn::ops
