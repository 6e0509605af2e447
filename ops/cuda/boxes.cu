#include "rcnn/ops/cuda/boxes.h"
#include "rcnn/ops/cuda/launch.h"

namespace rcnn::ops {

template <typename T>
cudaError_t LaunchOverlapMatrix(const OverlapMatrixKernel<T>& kernel, cudaStream_t stream) {
  CudaLauncher launch(stream);
  ComputeOverlapMatrix(launch, kernel);
  return launch.error();
}

template <typename T>
cudaError_t LaunchBoxClip(int64_t count, const ClipRow<T>& row, cudaStream_t stream) {
  CudaLauncher launch(stream);
  LaunchForEach(launch, count, row);
  return launch.error();
}

template cudaError_t LaunchOverlapMatrix(const OverlapMatrixKernel<float>&, cudaStream_t);
template cudaError_t LaunchOverlapMatrix(const OverlapMatrixKernel<double>&, cudaStream_t);
template cudaError_t LaunchBoxClip(int64_t, const ClipRow<float>&, cudaStream_t);
template cudaError_t LaunchBoxClip(int64_t, const ClipRow<double>&, cudaStream_t);

}  // namespace rcnn::ops
