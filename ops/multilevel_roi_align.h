// RoIAlign over a feature pyramid: each region of interest (RoI) is pooled from the
// level that suits its size.
//
// Source: Lin et al., Feature Pyramid Networks, arXiv:1612.03144v2, Eq. 1; the
// small term inside the logarithm is Detectron2's. RoIAlign itself is roi_align.h.
//
// Example:
//   at::Tensor crops = MultilevelRoiAlign(
//       {p2, p3, p4, p5}, rois, {.spatial_scales = {1. / 4, 1. / 8, 1. / 16, 1. / 32}});

#ifndef RCNN_OPS_MULTILEVEL_ROI_ALIGN_H_
#define RCNN_OPS_MULTILEVEL_ROI_ALIGN_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace rcnn::ops {

// RoI -> level k = floor(canonical_level + log2(sqrt(area) / canonical_size_px + 1e-8)),
// clamped to [min_level, max_level]. The 1e-8 keeps an area of 0 finite.
struct FpnLevelRule {
  int64_t min_level = 2;
  int64_t max_level = 5;
  // A RoI of canonical_size_px squared goes to canonical_level.
  int64_t canonical_level = 4;
  double canonical_size_px = 224;
};

// The level of each RoI, less min_level: an index into the list of maps.
//
//   rois    [R, 5] float32|float64|bfloat16, (image, x1, y1, x2, y2)
//   return  [R] int64 on the device of rois, in [0, max_level - min_level]
// Computed in float64. Throws c10::Error on a wrong shape or dtype, and on a rule
// with max_level < min_level or a canonical size that is not positive.
at::Tensor FpnLevels(const at::Tensor& rois, const FpnLevelRule& rule);

struct MultilevelRoiAlignOptions {
  int64_t pooled_height = 7;
  int64_t pooled_width = 7;
  // One per map, finest first.
  std::vector<double> spatial_scales;
  // As in RoiAlignOptions.
  int64_t sampling_ratio = 0;
  bool aligned = true;
  // The maps are min_level, min_level + 1, ...; the last is the maximum.
  int64_t min_level = 2;
  int64_t canonical_level = 4;
  double canonical_size_px = 224;
};

// Pools R RoIs from L levels in one pass.
//
//   features  L >= 1 maps [B, C, H_l, W_l], finest first, one dtype and device
//   rois      [R, 5], (image, x1, y1, x2, y2) in image pixels, see rois.h
//   return    [R, C, pooled_height, pooled_width] in the order of rois
// Equal, bit for bit, to RoiAlign of each RoI on its level; dtypes, layouts,
// gradients, determinism and errors are those of RoiAlign, with the memory format
// of features[0]. Throws also when the numbers of maps and scales differ.
at::Tensor MultilevelRoiAlign(at::TensorList features, const at::Tensor& rois,
                              const MultilevelRoiAlignOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_MULTILEVEL_ROI_ALIGN_H_
