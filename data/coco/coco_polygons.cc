#include "rcnn/data/coco/coco_polygons.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rcnn::data {
namespace {

constexpr size_t kLeastCoordinates = 6;

// Removes spaces, then `token`; false if the text does not begin with it.
bool Consume(absl::string_view token, absl::string_view& text) {
  text = absl::StripLeadingAsciiWhitespace(text);
  return absl::ConsumePrefix(&text, token);
}

class Bounds {
 public:
  // False if the coordinates, separated by commas, are not a polygon.
  bool Add(absl::string_view coordinates) {
    size_t count = 0;
    for (const absl::string_view text : absl::StrSplit(coordinates, ',')) {
      double value = 0;
      if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) return false;
      const size_t axis = count++ % 2;
      low_[axis] = std::min(low_[axis], value);
      high_[axis] = std::max(high_[axis], value);
    }
    return count >= kLeastCoordinates && count % 2 == 0;
  }

  // nullopt if a difference is too large for a double.
  std::optional<std::array<double, 4>> xywh() const {
    const double width = high_[0] - low_[0], height = high_[1] - low_[1];
    if (!std::isfinite(width) || !std::isfinite(height)) return std::nullopt;
    return std::array<double, 4>{low_[0], low_[1], width, height};
  }

 private:
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::array<double, 2> low_ = {kInfinity, kInfinity};
  std::array<double, 2> high_ = {-kInfinity, -kInfinity};
};

}  // namespace

std::optional<std::array<double, 4>> BoundPolygons(absl::string_view json) {
  if (!Consume("[", json)) return std::nullopt;
  Bounds bounds;
  for (;;) {
    if (!Consume("[", json)) return std::nullopt;
    const size_t end = json.find(']');
    if (end == absl::string_view::npos || !bounds.Add(json.substr(0, end))) return std::nullopt;
    json.remove_prefix(end + 1);
    if (Consume("]", json)) return bounds.xywh();
    if (!Consume(",", json)) return std::nullopt;
  }
}

}  // namespace rcnn::data
