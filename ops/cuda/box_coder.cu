#include "rcnn/ops/cuda/box_coder.h"
#include "rcnn/ops/cuda/launch.h"

namespace rcnn::ops {
namespace {

template <typename Row>
cudaError_t LaunchRows(int64_t count, const Row& row, cudaStream_t stream) {
  CudaLauncher launch(stream);
  LaunchForEach(launch, count, row);
  return launch.error();
}

}  // namespace

template <typename T>
cudaError_t LaunchBoxCoding(int64_t count, const EncodeRow<T>& row, cudaStream_t stream) {
  return LaunchRows(count, row, stream);
}
template <typename T>
cudaError_t LaunchBoxCoding(int64_t count, const DecodeRow<T>& row, cudaStream_t stream) {
  return LaunchRows(count, row, stream);
}
template <typename T>
cudaError_t LaunchBoxCoding(int64_t count, const EncodeBackwardRow<T>& row, cudaStream_t stream) {
  return LaunchRows(count, row, stream);
}
template <typename T>
cudaError_t LaunchBoxCoding(int64_t count, const DecodeBackwardRow<T>& row, cudaStream_t stream) {
  return LaunchRows(count, row, stream);
}

template cudaError_t LaunchBoxCoding(int64_t, const EncodeRow<float>&, cudaStream_t);
template cudaError_t LaunchBoxCoding(int64_t, const EncodeRow<double>&, cudaStream_t);
template cudaError_t LaunchBoxCoding(int64_t, const DecodeRow<float>&, cudaStream_t);
template cudaError_t LaunchBoxCoding(int64_t, const DecodeRow<double>&, cudaStream_t);
template cudaError_t LaunchBoxCoding(int64_t, const EncodeBackwardRow<float>&, cudaStream_t);
template cudaError_t LaunchBoxCoding(int64_t, const EncodeBackwardRow<double>&, cudaStream_t);
template cudaError_t LaunchBoxCoding(int64_t, const DecodeBackwardRow<float>&, cudaStream_t);
template cudaError_t LaunchBoxCoding(int64_t, const DecodeBackwardRow<double>&, cudaStream_t);

}  // namespace rcnn::ops
