#include "rcnn/ops/cuda/launch.h"
#include "rcnn/ops/cuda/nms.h"

namespace rcnn::ops {

template <typename T>
cudaError_t LaunchNms(const DeviceNmsWork<T>& work, cudaStream_t stream) {
  CudaLauncher launch(stream);
  SuppressRows(launch, work);
  return launch.error();
}

template cudaError_t LaunchNms(const DeviceNmsWork<float>&, cudaStream_t);
template cudaError_t LaunchNms(const DeviceNmsWork<double>&, cudaStream_t);

}  // namespace rcnn::ops
