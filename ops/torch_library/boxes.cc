// torch.ops.rcnn: encode_boxes, decode_boxes, box_area, box_iou,
// box_intersection_over_area, clip_boxes, large_boxes, flip_boxes, scale_boxes.

#include "rcnn/ops/boxes.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "rcnn/ops/box_coder.h"
#include "rcnn/ops/torch_library/box_coder_arguments.h"

namespace rcnn::ops {
namespace {

at::Tensor EncodeBoxesOp(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                         at::ArrayRef<double> weights, at::ArrayRef<double> mean,
                         at::ArrayRef<double> stddev, double max_log_scale, bool inclusive,
                         bool exact_inverse) {
  return EncodeBoxes(
      boxes, gt_boxes,
      BoxCoderArguments(weights, mean, stddev, max_log_scale, inclusive, exact_inverse));
}

at::Tensor DecodeBoxesOp(const at::Tensor& boxes, const at::Tensor& deltas,
                         at::ArrayRef<double> weights, at::ArrayRef<double> mean,
                         at::ArrayRef<double> stddev, double max_log_scale, bool inclusive,
                         bool exact_inverse) {
  return DecodeBoxes(
      boxes, deltas,
      BoxCoderArguments(weights, mean, stddev, max_log_scale, inclusive, exact_inverse));
}

at::Tensor BoxAreaOp(const at::Tensor& boxes, bool inclusive) {
  return BoxArea(boxes, {inclusive});
}

at::Tensor BoxIouOp(const at::Tensor& boxes, const at::Tensor& others, bool inclusive) {
  return BoxIou(boxes, others, {inclusive});
}

at::Tensor BoxIntersectionOverAreaOp(const at::Tensor& boxes, const at::Tensor& regions,
                                     bool inclusive) {
  return BoxIntersectionOverArea(boxes, regions, {inclusive});
}

at::Tensor ClipBoxesOp(const at::Tensor& boxes, int64_t height, int64_t width, bool inclusive) {
  return ClipBoxes(boxes, {height, width}, {inclusive});
}

// The number of large boxes depends on the values; a meta tensor gives the maximum.
at::Tensor LargeBoxesOp(const at::Tensor& boxes, double min_side_px, bool inclusive) {
  if (boxes.is_meta()) return at::empty({boxes.size(0)}, boxes.options().dtype(at::kLong));
  return LargeBoxes(boxes, min_side_px, {inclusive});
}

at::Tensor FlipBoxesOp(const at::Tensor& boxes, int64_t image_width, bool inclusive) {
  return FlipBoxes(boxes, image_width, {inclusive});
}

at::Tensor ScaleBoxesOp(const at::Tensor& boxes, double scale_x, double scale_y) {
  return ScaleBoxes(boxes, scale_x, scale_y);
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  m.def("encode_boxes(Tensor boxes, Tensor gt_boxes, *, " RCNN_BOX_CODER_SCHEMA ") -> Tensor",
        &EncodeBoxesOp);
  m.def("decode_boxes(Tensor boxes, Tensor deltas, *, " RCNN_BOX_CODER_SCHEMA ") -> Tensor",
        &DecodeBoxesOp);
  m.def("box_area(Tensor boxes, *, bool inclusive=False) -> Tensor", &BoxAreaOp);
  m.def("box_iou(Tensor boxes, Tensor others, *, bool inclusive=False) -> Tensor", &BoxIouOp);
  m.def(
      "box_intersection_over_area(Tensor boxes, Tensor regions, *, bool inclusive=False) -> Tensor",
      &BoxIntersectionOverAreaOp);
  m.def("clip_boxes(Tensor boxes, int height, int width, *, bool inclusive=False) -> Tensor",
        &ClipBoxesOp);
  m.def("large_boxes(Tensor boxes, float min_side_px, *, bool inclusive=False) -> Tensor",
        &LargeBoxesOp);
  m.def("flip_boxes(Tensor boxes, int image_width, *, bool inclusive=False) -> Tensor",
        &FlipBoxesOp);
  m.def("scale_boxes(Tensor boxes, float scale_x, float scale_y) -> Tensor", &ScaleBoxesOp);
}

}  // namespace
}  // namespace rcnn::ops
