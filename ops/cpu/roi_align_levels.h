// RoIAlign in which each RoI reads one of several feature maps, on the CPU: the kernel of
// ops/roi_align_levels.h.
//
// The result is one tensor in the order of the RoIs; nothing is gathered or
// concatenated per level. Work is divided among threads by maps and blocks of channels
// (channel_blocks.h), so a thread owns what it adds to and every sum has one order:
// results and gradients are bit-identical for any number of threads.

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

// The arguments besides the features, for L levels and R RoIs.
struct RoiAlignRequest {
  at::Tensor rois;             // [R, 5], valid for every level
  at::Tensor levels;           // [R] int64, each in [0, L)
  std::vector<double> scales;  // L
  RoiAlignGrid grid;
};

// features: L tensors [B, C, H_l, W_l] of one floating-point dtype, each contiguous or
// channels-last (AsPlanes of feature_planes.h). Writes output [R, C, pooled_height, pooled_width],
// not empty.
void RoiAlignLevelsForward(at::TensorList features, const RoiAlignRequest& request,
                           const at::Tensor& output);

// grad: that of the output, as AsPlanes returns it, not empty. Writes grad_features, of the
// features' shapes.
void RoiAlignLevelsBackward(const at::Tensor& grad, const RoiAlignRequest& request,
                            at::TensorList grad_features);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_ROI_ALIGN_LEVELS_H_
