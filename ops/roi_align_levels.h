// RoIAlign in which each RoI reads one of several feature maps: the common part of
// roi_align.h and multilevel_roi_align.h. Internal to ops.

#ifndef RCNN_OPS_ROI_ALIGN_LEVELS_H_
#define RCNN_OPS_ROI_ALIGN_LEVELS_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "rcnn/ops/cpu/roi_align_levels.h"

namespace rcnn::ops {

// L levels, R RoIs. The caller has checked shapes and dtypes:
//   features  L tensors [B, C, H_l, W_l], one B, C, dtype and device; throws otherwise
//   rois      [R, 5], whose values CheckRois (rois.h) checks on the CPU
//   levels    [R] int64 on the device of the RoIs, each in [0, L)
//   scales    L spatial scales
//   return    [R, C, pooled_height, pooled_width], dtype, device and memory format of features[0]
// Gradients flow to the features only; differentiating the gradient again throws.
at::Tensor RoiAlignLevels(at::TensorList features, const at::Tensor& rois, const at::Tensor& levels,
                          const std::vector<double>& scales, const RoiAlignGrid& grid);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_ROI_ALIGN_LEVELS_H_
