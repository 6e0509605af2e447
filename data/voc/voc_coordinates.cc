#include "rcnn/data/voc/voc_coordinates.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"

namespace rcnn::data {

void CoordinateVotes::Add(const std::array<double, 4>& corners, int64_t width, int64_t height) {
  const auto& [xmin, ymin, xmax, ymax] = corners;
  if (!std::all_of(corners.begin(), corners.end(), [](double c) { return std::isfinite(c); })) {
    return;
  }
  ++boxes_;
  const auto has_fraction = [](double corner) { return corner != std::floor(corner); };
  if (std::any_of(corners.begin(), corners.end(), has_fraction)) ++fractional_;
  const double first = std::min(xmin, ymin);
  if (first >= 0 && first < 1) ++begin_at_0_;
  if (first >= 1 && first < 2) ++begin_at_1_;
  if (width <= 0 || height <= 0) return;
  const auto w = static_cast<double>(width), h = static_cast<double>(height);
  if (xmax == w || ymax == h) ++end_at_size_;
  if (xmax == w - 1 || ymax == h - 1) ++end_before_size_;
}

configs::VocCoordinates CoordinateVotes::Recognise() const {
  if (begin_at_0_ <= begin_at_1_) return configs::ONE_BASED_INCLUSIVE;
  if (2 * fractional_ > boxes_ || end_at_size_ >= end_before_size_) return configs::CONTINUOUS;
  return configs::ZERO_BASED_INCLUSIVE;
}

std::string CoordinateVotes::ToString() const {
  return absl::StrCat("of ", Counted(boxes_, "box", "boxes"), ", ",
                      Counted(begin_at_0_, "begins", "begin"), " at 0 and ", begin_at_1_, " at 1, ",
                      Counted(end_at_size_, "ends", "end"), " at the image's size and ",
                      end_before_size_, " one pixel before it, ",
                      Counted(fractional_, "has", "have"), " fractions");
}

}  // namespace rcnn::data
