// Launches of the kernels of roi_align_rule.h on the GPU.

#ifndef RCNN_OPS_CUDA_ROI_ALIGN_H_
#define RCNN_OPS_CUDA_ROI_ALIGN_H_

#include <cuda_runtime_api.h>

#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/roi_align_rule.h"
#include "rcnn/ops/kernels/roi_lists.h"
#include "rcnn/ops/kernels/roi_table.h"

namespace rcnn::ops {

// T is float, double, BFloat16Bits or Float16Bits.
template <typename T>
cudaError_t LaunchRoiAlign(const RoiTable<T>& table, const RoiAlignRule<T>& rule,
                           cudaStream_t stream);
template <typename T>
cudaError_t LaunchRoiAlignBackward(const RoiTable<T>& table, const RoiAlignRule<T>& rule,
                                   const RoiListScratch& scratch, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_ROI_ALIGN_H_
