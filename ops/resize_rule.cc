#include "rcnn/ops/resize_rule.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>

namespace rcnn::ops {
namespace {

constexpr double kMaxSide = 1 << 30;

double ScaleHalfToEven(double shorter, double longer, const ResizeRule& rule) {
  const double scale = rule.shorter_side_px / shorter;
  // nearbyint rounds halves to even in the default rounding mode, as numpy.round does.
  if (std::nearbyint(scale * longer) > rule.longer_side_px) return rule.longer_side_px / longer;
  return scale;
}

// Multiplies by the reciprocal, as PyTorch does when it divides a number by a tensor.
double ScaleDown(double shorter, double longer, const ResizeRule& rule) {
  const float by_shorter =
      (1.0f / static_cast<float>(shorter)) * static_cast<float>(rule.shorter_side_px);
  const float by_longer =
      (1.0f / static_cast<float>(longer)) * static_cast<float>(rule.longer_side_px);
  return std::min(by_shorter, by_longer);
}

}  // namespace

Resized ResizedSize(int64_t height, int64_t width, const ResizeRule& rule) {
  TORCH_CHECK(height > 0 && width > 0, "height, width: expected positive, got ", height, ", ",
              width);
  TORCH_CHECK(rule.shorter_side_px > 0 && rule.longer_side_px > 0,
              "shorter_side_px, longer_side_px: expected positive, got ", rule.shorter_side_px,
              ", ", rule.longer_side_px);
  const double shorter = static_cast<double>(std::min(height, width));
  const double longer = static_cast<double>(std::max(height, width));
  const bool down = rule.rounding == SizeRounding::kDown;
  const double scale =
      down ? ScaleDown(shorter, longer, rule) : ScaleHalfToEven(shorter, longer, rule);
  TORCH_CHECK(longer * scale <= kMaxSide, "height, width: ", height, ", ", width, " times ", scale,
              " is beyond 2^30");
  const auto resized = [&](int64_t side) {
    const double exact = static_cast<double>(side) * scale;
    return std::max<int64_t>(
        1, static_cast<int64_t>(down ? std::floor(exact) : std::nearbyint(exact)));
  };
  return {resized(height), resized(width), scale};
}

}  // namespace rcnn::ops
