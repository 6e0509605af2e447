#include "rcnn/ops/cuda/launch.h"
#include "rcnn/ops/cuda/roi_align.h"
#include "rcnn/ops/kernels/roi_gather.h"

namespace rcnn::ops {

template <typename T>
cudaError_t LaunchRoiAlign(const RoiTable<T>& table, const RoiAlignRule<T>& rule,
                           cudaStream_t stream) {
  CudaLauncher launch(stream);
  AlignRois(launch, table, rule);
  return launch.error();
}

template <typename T>
cudaError_t LaunchRoiAlignBackward(const RoiTable<T>& table, const RoiAlignRule<T>& rule,
                                   const RoiListScratch& scratch, cudaStream_t stream) {
  CudaLauncher launch(stream);
  GatherRois(launch, table, rule, scratch);
  return launch.error();
}

#define RCNN_INSTANTIATE(T)                                                                      \
  template cudaError_t LaunchRoiAlign(const RoiTable<T>&, const RoiAlignRule<T>&, cudaStream_t); \
  template cudaError_t LaunchRoiAlignBackward(const RoiTable<T>&, const RoiAlignRule<T>&,        \
                                              const RoiListScratch&, cudaStream_t);
RCNN_INSTANTIATE(float)
RCNN_INSTANTIATE(double)
RCNN_INSTANTIATE(BFloat16Bits)
RCNN_INSTANTIATE(Float16Bits)
#undef RCNN_INSTANTIATE

}  // namespace rcnn::ops
