#include "rcnn/data/core/box_units.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"

namespace rcnn::data {

std::array<double, 4> InPixels(const configs::DatasetConfig& config,
                               const std::array<double, 4>& xywh, double width, double height) {
  if (config.box_units() != configs::FRACTIONS) return xywh;
  return {xywh[0] * width, xywh[1] * height, xywh[2] * width, xywh[3] * height};
}

void FractionCheck::Add(const std::array<double, 4>& xywh, double width, double height) {
  const auto& [x, y, box_width, box_height] = xywh;
  if (!std::isfinite(x + box_width) || !std::isfinite(y + box_height)) return;
  if (box_width <= 0 || box_height <= 0) return;
  constexpr double kOne = 1 + 1e-6;  // six decimals, as many programs write
  if (boxes_++ == 0) first_ = xywh;
  has_fraction_ = has_fraction_ || std::any_of(xywh.begin(), xywh.end(), [](double value) {
                    return value != std::floor(value);
                  });
  all_within_ = all_within_ && x >= 0 && y >= 0 && x + box_width <= kOne &&
                y + box_height <= kOne && width > 1 && height > 1;
  if (width * height > width_ * height_) {
    width_ = width;
    height_ = height;
  }
}

absl::Status FractionCheck::Check(const configs::DatasetConfig& config) const {
  if (config.has_box_units() || !has_fraction_ || !all_within_) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s within 0..1, the first is [%.10g, %.10g, %.10g, %.10g], and images have "
      "up to %.10g x %.10g pixels: if the numbers are fractions of the image, give "
      "--box_units=fractions for a folder of labelled images, or set box_units: FRACTIONS in the "
      "dataset's config; --box_units=pixels and box_units: PIXELS if they are right",
      boxes_ == 1 ? "the only box lies" : absl::StrFormat("all %d boxes lie", boxes_), first_[0],
      first_[1], first_[2], first_[3], width_, height_));
}

}  // namespace rcnn::data
