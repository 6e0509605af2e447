#include "rcnn/data/inspection/anchor_coverage.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {
namespace {

absl::Status CheckPositive(absl::string_view name, const std::vector<double>& values) {
  if (values.empty()) return absl::InvalidArgumentError(absl::StrCat("anchors: no ", name));
  for (double value : values) {
    if (!(value > 0 && std::isfinite(value))) {
      return absl::InvalidArgumentError(
          absl::StrCat("anchors: ", name, ": ", value, " is not positive"));
    }
  }
  return absl::OkStatus();
}

// The largest overlap of [low, high] with an interval of `length` around one of
// the centres of a side of the image; -1 if none exists.
double BestOverlap(double low, double high, double length, double side, const AnchorGrid& grid) {
  const double first = grid.center_offset * grid.stride_px;
  double least = 0;
  double most = std::ceil(side / grid.stride_px) - 1;
  if (grid.inside_only) {
    least = std::max(least, std::ceil((length / 2 - first) / grid.stride_px));
    most = std::min(most, std::floor((side - length / 2 - first) / grid.stride_px));
  }
  if (least > most) return -1;
  const double nearest = std::round(((low + high) / 2 - first) / grid.stride_px);
  const double center = first + std::clamp(nearest, least, most) * grid.stride_px;
  const double overlap = std::min(high, center + length / 2) - std::max(low, center - length / 2);
  return std::max(overlap, 0.0);
}

}  // namespace

absl::Status CheckAnchorGrid(const AnchorGrid& grid) {
  absl::Status status = CheckPositive("stride", {grid.stride_px});
  status.Update(CheckPositive("sizes", grid.sizes_px));
  status.Update(CheckPositive("aspect ratios", grid.aspect_ratios));
  return status;
}

double BestAnchorIou(const Box& box, double image_width, double image_height,
                     const AnchorGrid& grid) {
  const double area = static_cast<double>(box.width()) * box.height();
  double best = 0;
  for (double size : grid.sizes_px) {
    for (double ratio : grid.aspect_ratios) {
      const double width = size / std::sqrt(ratio);
      const double height = size * std::sqrt(ratio);
      const double overlap_x = BestOverlap(box.x1, box.x2, width, image_width, grid);
      const double overlap_y = BestOverlap(box.y1, box.y2, height, image_height, grid);
      if (overlap_x <= 0 || overlap_y <= 0) continue;
      const double both = overlap_x * overlap_y;
      best = std::max(best, both / (area + width * height - both));
    }
  }
  return best;
}

}  // namespace rcnn::data
