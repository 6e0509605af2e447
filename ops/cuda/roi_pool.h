// Launches of the kernels of roi_pool_rule.h on the GPU.

#ifndef RCNN_OPS_CUDA_ROI_POOL_H_
#define RCNN_OPS_CUDA_ROI_POOL_H_

#include <cuda_runtime_api.h>

#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/roi_lists.h"
#include "rcnn/ops/kernels/roi_pool_rule.h"
#include "rcnn/ops/kernels/roi_table.h"

namespace rcnn::ops {

// T is float, double or BFloat16Bits.
template <typename T>
cudaError_t LaunchRoiPool(const RoiTable<T>& table, const RoiPoolRule<T>& rule,
                          cudaStream_t stream);
template <typename T>
cudaError_t LaunchRoiPoolBackward(const RoiTable<T>& table, const RoiPoolRule<T>& rule,
                                  const RoiListScratch& scratch, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_ROI_POOL_H_
