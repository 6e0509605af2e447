// Box arithmetic: areas, overlaps, clipping, selection by size, flipping, scaling.
//
// Boxes are [N, 4] float32|float64 rows (x1, y1, x2, y2) in pixels with x2 >= x1
// and y2 >= y1, in continuous coordinates: width = x2 - x1. The inclusive option
// selects the arithmetic of 2015, in which x2 and y2 are the last pixel inside:
// width = x2 - x1 + 1.
//
// To validate boxes from outside, CheckBoxes of check.h throws an error that names
// the first bad row, and FirstInvalidBox returns it. Every function below checks
// its arguments this way and throws c10::Error naming the argument, its shape and
// the row; 0 boxes are always allowed. The functions work on every device; without a
// kernel for the device, overlaps are composed from ATen's operators.
//
// Example:
//   at::Tensor iou = BoxIou(anchors, gt_boxes);                       // [N, M]
//   at::Tensor inside = ClipBoxes(boxes, {.height = 600, .width = 800});
//   at::Tensor kept = inside.index_select(0, LargeBoxes(inside, 16));

#ifndef RCNN_OPS_BOXES_H_
#define RCNN_OPS_BOXES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::ops {

struct BoxConvention {
  // Width is x2 - x1 + 1, and an image of width W ends at W - 1.
  bool inclusive = false;
};

struct ImageSize {
  int64_t height = 0;
  int64_t width = 0;
};

// Returns the areas [N] in square pixels. Differentiable. Throws c10::Error if an area
// exceeds half of the dtype's maximum.
at::Tensor BoxArea(const at::Tensor& boxes, const BoxConvention& convention = {});

// Returns the intersection over union of every box with every other, [N, M] in
// [0, 1].
//
//   boxes   [N, 4]
//   others  [M, 4] same dtype and device
// Two boxes without area have IoU 0. BoxIou(b, a) is exactly the transpose of
// BoxIou(a, b). Not differentiable. Throws c10::Error if an area exceeds half of the
// dtype's maximum.
// O(N M), bound by one division per pair; measured in boxes_benchmark.cc.
at::Tensor BoxIou(const at::Tensor& boxes, const at::Tensor& others,
                  const BoxConvention& convention = {});

// Returns the fraction of every box that lies in every region, [N, M] in [0, 1]:
// intersection / area of the box. For crowd regions, where the union is
// meaningless. 0 for boxes without area. Otherwise as BoxIou.
at::Tensor BoxIntersectionOverArea(const at::Tensor& boxes, const at::Tensor& regions,
                                   const BoxConvention& convention = {});

// Returns the boxes clipped to the image: x to [0, width], y to [0, height];
// inclusive: to [0, width - 1] and [0, height - 1]. A box outside the image becomes
// a box without area on the border. Takes groups of boxes too, [N, 4 K] as
// DecodeBoxes returns them. Differentiable: no gradient through a clipped
// coordinate.
// Throws c10::Error on a negative size (inclusive: a size < 1).
at::Tensor ClipBoxes(const at::Tensor& boxes, const ImageSize& image,
                     const BoxConvention& convention = {});

// Returns the indices [K] int64, ascending, of the boxes whose sides are both >=
// min_side_px, which must be >= 0 and finite. Meta tensors give the most there can be.
at::Tensor LargeBoxes(const at::Tensor& boxes, double min_side_px,
                      const BoxConvention& convention = {});

// Returns the boxes of the image mirrored left to right: x1' = width - x2, x2' =
// width - x1; inclusive: 1 less. Differentiable.
at::Tensor FlipBoxes(const at::Tensor& boxes, int64_t image_width,
                     const BoxConvention& convention = {});

// Returns the boxes of the image resized by scale_x and scale_y, both > 0 and
// finite. Differentiable. Throws c10::Error also where a result is not finite.
at::Tensor ScaleBoxes(const at::Tensor& boxes, double scale_x, double scale_y);

namespace internal {
// BoxIou if `over_union`, otherwise BoxIntersectionOverArea, composed from ATen's
// operators for devices without a kernel: [N, 1, 4] against [1, M, 4] in a dozen passes.
at::Tensor ComposedOverlap(const at::Tensor& boxes, const at::Tensor& others, bool inclusive,
                           bool over_union);

// Throws c10::Error as BoxIou does; `others_name` is the second argument's.
void CheckOverlapArguments(const at::Tensor& boxes, const at::Tensor& others,
                           const char* others_name, bool inclusive);
}  // namespace internal

}  // namespace rcnn::ops

#endif  // RCNN_OPS_BOXES_H_
