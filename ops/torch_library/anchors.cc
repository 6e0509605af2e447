// torch.ops.rcnn: base_anchors, place_anchors, anchors_inside_image.

#include "rcnn/ops/anchors.h"

#include <torch/library.h>

namespace rcnn::ops {
namespace {

AnchorRounding RoundingNamed(c10::string_view name) {
  if (name == "none") return AnchorRounding::kNone;
  if (name == "corners") return AnchorRounding::kCorners;
  TORCH_CHECK(name == "pixels_2015", "rounding: is '", name,
              "', not 'none', 'corners' or 'pixels_2015'");
  return AnchorRounding::kPixels2015;
}

AnchorOrder OrderNamed(c10::string_view name) {
  if (name == "ratio_major") return AnchorOrder::kRatioMajor;
  TORCH_CHECK(name == "scale_major", "order: is '", name, "', not 'ratio_major' or 'scale_major'");
  return AnchorOrder::kScaleMajor;
}

at::Tensor BaseAnchorsOp(double base_size_px, at::ArrayRef<double> scales,
                         at::ArrayRef<double> aspect_ratios, c10::string_view rounding,
                         c10::string_view order, double stride_x_px, double stride_y_px,
                         double center_offset) {
  return BaseAnchors({base_size_px, scales.vec(), aspect_ratios.vec(), RoundingNamed(rounding),
                      OrderNamed(order), stride_x_px, stride_y_px, center_offset});
}

at::Tensor PlaceAnchorsOp(const at::Tensor &base, int64_t height, int64_t width, double stride_x_px,
                          double stride_y_px) {
  return PlaceAnchors(base, {height, width}, stride_x_px, stride_y_px);
}

at::Tensor AnchorsInsideImageOp(const at::Tensor &anchors, int64_t height, int64_t width,
                                double border_px, bool inclusive) {
  return InsideImage(anchors, {height, width}, {border_px, inclusive});
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  m.def(
      "base_anchors(float base_size_px=16., float[] scales=[8., 16., 32.], "
      "float[] aspect_ratios=[0.5, 1., 2.], *, str rounding='none', str "
      "order='ratio_major', "
      "float stride_x_px=16., float stride_y_px=16., float center_offset=0.) "
      "-> Tensor",
      &BaseAnchorsOp);
  m.def(
      "place_anchors(Tensor base, int height, int width, float stride_x_px, "
      "float stride_y_px) "
      "-> Tensor",
      &PlaceAnchorsOp);
  m.def(
      "anchors_inside_image(Tensor anchors, int height, int width, *, float "
      "border_px=0., "
      "bool inclusive=False) -> Tensor",
      &AnchorsInsideImageOp);
}

}  // namespace
}  // namespace rcnn::ops
