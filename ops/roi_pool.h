// RoIPool: the maximum of a feature map over a grid of bins in each region of
// interest (RoI), with all borders rounded to whole pixels.
//
// The pooling of Fast and Faster R-CNN as published. For features without the
// rounding see roi_align.h.
//
// Source: Girshick, Fast R-CNN, arXiv:1504.08083v2, Sec. 2.1; rounding as in the
// Caffe code published with it and in torchvision.
//
// Example:
//   at::Tensor crops = RoiPool(features, rois, {.spatial_scale = 1.0 / 16});

#ifndef RCNN_OPS_ROI_POOL_H_
#define RCNN_OPS_ROI_POOL_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::ops {

struct RoiPoolOptions {
  // Bins per RoI, >= 1.
  int64_t pooled_height = 7;
  int64_t pooled_width = 7;
  // Feature-map pixels per image pixel, 1 / stride; > 0.
  double spatial_scale = 1.0;
};

// Pools R RoIs from B images of C channels.
//
//   input   [B, C, H, W] float32|float64|bfloat16; contiguous and channels-last are
//           read where they lie, other layouts are copied first
//   rois    [R, 5] float32|float64|bfloat16, (image, x1, y1, x2, y2) in image
//           pixels, see rois.h; same device
//   return  [R, C, pooled_height, pooled_width], dtype and memory format of input
// With s = round(x1 * spatial_scale), e = round(x2 * spatial_scale), halves away
// from 0, and w = max(e - s + 1, 1) / pooled_width, bin j covers the pixels
// s + floor(j * w) to s + ceil((j + 1) * w) - 1 that lie on the map, and likewise
// in y: bins may share pixels. A bin without pixels is 0. A NaN makes its bins NaN.
// R == 0 gives [0, C, pooled_height, pooled_width].
// The gradient of a bin goes to its maximum, of equal ones to the first in
// row-major order; none goes to rois. Both passes are bit-identical for any number
// of threads. Differentiating the gradient again throws. Devices without a kernel use
// the fallback of dispatch.h.
// Throws c10::Error naming the argument on a wrong rank, dtype, device or option,
// on RoIs without a pixel to read, and on the first row of rois that rois.h does
// not allow.
// Time O(C * (H * W + R * (RoI pixels + bins))); measured in roi_pool_benchmark.cc.
// The backward pass adds single elements at the indices of the maxima: a load and a
// store per element of the result, which do not vectorise. A contiguous gradient takes
// a third of torchvision's time; a channels-last one, in which neighbours belong to
// different planes, about the same.
// The indices of the maxima (int32, as large as the result) are computed and kept
// only when a gradient is wanted.
at::Tensor RoiPool(const at::Tensor& input, const at::Tensor& rois, const RoiPoolOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_ROI_POOL_H_
