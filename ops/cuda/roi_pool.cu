#include "rcnn/ops/cuda/launch.h"
#include "rcnn/ops/cuda/roi_pool.h"
#include "rcnn/ops/kernels/roi_gather.h"

namespace rcnn::ops {

template <typename T>
cudaError_t LaunchRoiPool(const RoiTable<T>& table, const RoiPoolRule<T>& rule,
                          cudaStream_t stream) {
  CudaLauncher launch(stream);
  PoolRois(launch, table, rule);
  return launch.error();
}

template <typename T>
cudaError_t LaunchRoiPoolBackward(const RoiTable<T>& table, const RoiPoolRule<T>& rule,
                                  const RoiListScratch& scratch, cudaStream_t stream) {
  CudaLauncher launch(stream);
  GatherRois(launch, table, rule, scratch);
  return launch.error();
}

#define RCNN_INSTANTIATE(T)                                                                    \
  template cudaError_t LaunchRoiPool(const RoiTable<T>&, const RoiPoolRule<T>&, cudaStream_t); \
  template cudaError_t LaunchRoiPoolBackward(const RoiTable<T>&, const RoiPoolRule<T>&,        \
                                             const RoiListScratch&, cudaStream_t);
RCNN_INSTANTIATE(float)
RCNN_INSTANTIATE(double)
RCNN_INSTANTIATE(BFloat16Bits)
#undef RCNN_INSTANTIATE

}  // namespace rcnn::ops
