// The size to which an image is resized: the shorter side gets a given length,
// unless the longer side would then exceed a limit.
//
// Source: Girshick, arXiv:1504.08083v2, Sec. 2.4 and Ren et al.,
// arXiv:1506.01497v3, Sec. 3.3 (600 px, at most 1000 px).
//
// Example:
//   Resized size = ResizedSize(375, 500, {});  // 600 x 800, scale 1.6

#ifndef RCNN_OPS_RESIZE_RULE_H_
#define RCNN_OPS_RESIZE_RULE_H_

#include <cstdint>

namespace rcnn::ops {

// How fractional pixels are rounded.
enum class SizeRounding {
  // scale = shorter_side_px / shorter; if round(scale * longer) > longer_side_px,
  // scale = longer_side_px / longer. Sides are round(side * scale). All in float64,
  // halves to even. The rule of the 2015 code, and cv::resize with fx = fy = scale.
  kHalfToEven,
  // scale = min(shorter_side_px / shorter, longer_side_px / longer), computed in
  // float32 as (1 / side) * limit. Sides are floor(side * scale). The rule of
  // torchvision's detection models.
  kDown,
};

struct ResizeRule {
  double shorter_side_px = 600;
  double longer_side_px = 1000;
  SizeRounding rounding = SizeRounding::kHalfToEven;
};

struct Resized {
  int64_t height;
  int64_t width;
  // Resized pixels per pixel of the image, before the sides were rounded.
  double scale;
};

// Throws c10::Error when a side or a limit is not positive, or a resized side would
// be beyond 2^30. A side is at least 1.
Resized ResizedSize(int64_t height, int64_t width, const ResizeRule& rule);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_RESIZE_RULE_H_
