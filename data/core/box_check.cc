#include "rcnn/data/core/box_check.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"

namespace rcnn::data {
namespace {

BoxVerdict Drop(DefectKind kind) { return {kind, DefectAction::kObjectDropped}; }

// Clips the interval [start, start + length] to [0, limit]. An interval inside is
// unchanged, bit for bit.
void Trim(double& start, double& length, double limit) {
  if (start >= 0 && start + length <= limit) return;
  const double end = std::min(start + length, limit);
  start = std::max(start, 0.0);
  length = end - start;
}

double Overrun(double start, double length, double limit) {
  return std::max(-start, start + length - limit);
}

}  // namespace

BoxRules MakeRules(const configs::DatasetConfig& config) {
  return {config.defect_policy(), config.overrun_tolerance_px(), config.inclusive_boxes()};
}

BoxVerdict CheckBox(std::array<double, 4>& xywh, double image_width, double image_height,
                    const BoxRules& rules) {
  auto& [x, y, width, height] = xywh;
  // Check the sums too: two finite numbers can overflow.
  if (!std::isfinite(x + width) || !std::isfinite(y + height)) return Drop(DefectKind::kBadNumber);
  if (width < 0 || height < 0) return Drop(DefectKind::kInverted);
  if (width == 0 || height == 0) return Drop(DefectKind::kZeroSize);
  if (x >= image_width || y >= image_height || x + width <= 0 || y + height <= 0) {
    return Drop(DefectKind::kOutside);
  }
  const double overrun = std::max(Overrun(x, width, image_width), Overrun(y, height, image_height));
  const bool tolerable = overrun <= rules.overrun_tolerance_px;
  const double overrun_px = std::max(overrun, 0.0);
  if (!tolerable && rules.policy != configs::CLIP) {
    return {DefectKind::kPartlyOutside, DefectAction::kObjectDropped, overrun_px};
  }
  Trim(x, width, image_width);
  Trim(y, height, image_height);
  if (tolerable) return {std::nullopt, DefectAction::kKept, overrun_px};
  return {DefectKind::kPartlyOutside, DefectAction::kClipped, overrun_px};
}

void OverrunTally::Add(const BoxVerdict& verdict, const BoxRules& rules) {
  const double silent = configs::DatasetConfig::default_instance().overrun_tolerance_px();
  if (verdict.overrun_px > 0 && verdict.overrun_px <= 1 && !verdict.keep()) ++dropped_;
  if (verdict.overrun_px > silent && verdict.overrun_px <= rules.overrun_tolerance_px) ++trimmed_;
}

void OverrunTally::Report(const configs::DatasetConfig& config, DefectReport& report) const {
  if (dropped_ > 0 && !config.has_overrun_tolerance_px()) {
    report.AddNotice(
        absl::StrCat(dropped_, dropped_ == 1 ? " box leaves" : " boxes leave",
                     " the image by at most one pixel, and that is a defect; the field "
                     "overrun_tolerance_px: 1 trims such boxes instead"));
  }
  if (trimmed_ > 0) {
    report.AddNotice(absl::StrCat(trimmed_,
                                  trimmed_ == 1 ? " box that leaves" : " boxes that leave",
                                  " the image by at most ", config.overrun_tolerance_px(),
                                  trimmed_ == 1 ? " px is" : " px are", " trimmed to it"));
  }
}

Object MakeObject(const std::array<double, 4>& xywh, const BoxRules& rules) {
  const auto& [x, y, width, height] = xywh;
  const double last = rules.inclusive_boxes ? 1 : 0;
  Object object;
  object.box = {static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + width - last),
                static_cast<float>(y + height - last)};
  object.xywh = xywh;
  object.area = width * height;
  return object;
}

}  // namespace rcnn::data
