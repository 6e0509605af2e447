#include "rcnn/ops/cuda/launch.h"
#include "rcnn/ops/cuda/sampled_losses.h"

namespace rcnn::ops {

template <typename T>
cudaError_t LaunchRpnLosses(const RpnLossWork<T>& work, cudaStream_t stream) {
  CudaLauncher launch(stream);
  ComputeRpnLosses(launch, work);
  return launch.error();
}

template <typename T>
cudaError_t LaunchHeadLosses(const HeadLossWork<T>& work, cudaStream_t stream) {
  CudaLauncher launch(stream);
  ComputeHeadLosses(launch, work);
  return launch.error();
}

template cudaError_t LaunchRpnLosses(const RpnLossWork<float>&, cudaStream_t);
template cudaError_t LaunchRpnLosses(const RpnLossWork<double>&, cudaStream_t);
template cudaError_t LaunchHeadLosses(const HeadLossWork<float>&, cudaStream_t);
template cudaError_t LaunchHeadLosses(const HeadLossWork<double>&, cudaStream_t);

}  // namespace rcnn::ops
