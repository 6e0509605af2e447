// RoIAlign in which each RoI reads one of several feature maps: the common part of
// roi_align.h and multilevel_roi_align.h.
//
// The result is one tensor in the order of the RoIs; nothing is gathered or
// concatenated per level. Work is divided among threads by maps and blocks of channels
// (channel_blocks.h), so a thread owns what it adds to and every sum has one order:
// results and gradients are bit-identical for any number of threads.
//
// Internal to ops.

#ifndef RCNN_OPS_CPU_ROI_ALIGN_LEVELS_H_
#define RCNN_OPS_CPU_ROI_ALIGN_LEVELS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace rcnn::ops {

// As in RoiAlignOptions (roi_align.h).
struct RoiAlignGrid {
  int64_t pooled_height;
  int64_t pooled_width;
  int64_t sampling_ratio;
  bool aligned;
};

// L levels, R RoIs; the caller has checked shapes and dtypes:
//   features  L tensors [B, C, H_l, W_l], one B, C, dtype and device; throws otherwise
//   rois      [R, 5], whose values CheckRois (rois.h) checks on the CPU
//   levels    [R] int64 on the device of the RoIs, each in [0, L)
//   scales    L spatial scales
//   return    [R, C, pooled_height, pooled_width], dtype, device and memory format of features[0]
// Gradients flow to the features only; second derivatives throw.
at::Tensor RoiAlignLevels(at::TensorList features, const at::Tensor& rois, const at::Tensor& levels,
                          const std::vector<double>& scales, const RoiAlignGrid& grid);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_ROI_ALIGN_LEVELS_H_
