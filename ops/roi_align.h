// RoIAlign: bilinear samples of a feature map, averaged over a grid of bins in
// each region of interest (RoI).
//
// Use it to pool features of boxes without rounding them to pixels. roi_pool.h is
// the older maximum over rounded bins; multilevel_roi_align.h selects a level of a
// feature pyramid for each RoI.
//
// Source: He et al., Mask R-CNN, arXiv:1703.06870v3, Sec. 3; half-pixel correction
// ("aligned") as in Detectron2's ROIAlignV2.
//
// Example:
//   at::Tensor crops = RoiAlign(features, rois, {.spatial_scale = 1.0 / 16});

#ifndef RCNN_OPS_ROI_ALIGN_H_
#define RCNN_OPS_ROI_ALIGN_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::ops {

struct RoiAlignOptions {
  // Bins per RoI, >= 1.
  int64_t pooled_height = 7;
  int64_t pooled_width = 7;
  // Feature-map pixels per image pixel, 1 / stride; > 0.
  double spatial_scale = 1.0;
  // Samples per bin and axis; <= 0 is adaptive: ceil(RoI length / bins), per axis.
  int64_t sampling_ratio = 0;
  // True: the centre of pixel i lies at i + 0.5, as everywhere in rcnn. False, the
  // legacy form: it lies at i, and RoIs count as at least 1 feature-map pixel wide
  // and high; for weights trained with it.
  bool aligned = true;
};

// Pools R RoIs from B images of C channels.
//
//   input   [B, C, H, W] float32|float64|bfloat16, or float16 on a device whose kernel has it,
//           as CUDA's; contiguous and channels-last are read where they lie, other layouts are
//           copied first
//   rois    [R, 5] float32|float64|bfloat16, (image, x1, y1, x2, y2) in image
//           pixels, see rois.h; same device
//   return  [R, C, pooled_height, pooled_width], dtype and memory format of input
// With x = x1 * spatial_scale - (aligned ? 0.5 : 0) and bin width w, the samples
// of bin j lie at x + (j + (i + 0.5) / n) * w for i < n, and likewise in y. A
// sample further than 1 pixel outside the map counts as 0; one nearer takes the
// value at the edge. Positions and sums are float32 for float32, bfloat16 and float16
// input, float64 for float64. R == 0 gives [0, C, pooled_height, pooled_width].
// Gradients flow to input, none to rois; both passes are bit-identical for any
// number of threads. Differentiating the gradient again throws. Devices without a kernel use the
// fallback of dispatch.h.
// Throws c10::Error naming the argument on a wrong rank, dtype, device or option,
// on RoIs without a pixel to read, and on the first row of rois that rois.h does
// not allow.
// Time O(C * (H * W + R * touched pixels)): bounded by loads from the second-level
// cache; measured in roi_align_benchmark.cc. Memory beyond the result: one map of
// 32 channels per thread.
at::Tensor RoiAlign(const at::Tensor& input, const at::Tensor& rois,
                    const RoiAlignOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_ROI_ALIGN_H_
