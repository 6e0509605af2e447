#include "rcnn/data/yolo/yolo_labels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/byte_order_mark.h"
#include "rcnn/base/counted.h"

namespace rcnn::data {
namespace {

constexpr size_t kMaxShown = 80;
constexpr absl::string_view kAboutCommas =
    "; values are separated by spaces, without commas, and decimals have a point";

void SetProblem(YoloObject& object, DefectKind kind, absl::string_view what) {
  object.problem = kind;
  absl::StrAppend(&object.text, ": ", what);
}

// The bounds of corners x1, y1, x2, y2, ...
std::array<double, 4> Bounds(const std::vector<double>& corners) {
  double left = corners[0], top = corners[1], right = corners[0], bottom = corners[1];
  for (size_t i = 0; i + 1 < corners.size(); i += 2) {
    left = std::min(left, corners[i]);
    right = std::max(right, corners[i]);
    top = std::min(top, corners[i + 1]);
    bottom = std::max(bottom, corners[i + 1]);
  }
  return {left, top, right - left, bottom - top};
}

// Whether the numbers of a polygon are also a box, x, y, width, height, and points inside of it
// with `dimensions` numbers each: x, y and how visible it is. Points that are not labelled are at
// 0, 0.
bool FitsKeypoints(const std::vector<double>& numbers, size_t dimensions) {
  if ((numbers.size() - 4) % dimensions != 0) return false;
  const double x = numbers[0], y = numbers[1];
  const double half_width = numbers[2] / 2, half_height = numbers[3] / 2;
  constexpr double kDigits = 1e-3;  // as far as rounding goes
  if (x < half_width - kDigits || x + half_width > 1 + kDigits) return false;
  if (y < half_height - kDigits || y + half_height > 1 + kDigits) return false;
  for (size_t i = 4; i < numbers.size(); i += dimensions) {
    const double point_x = numbers[i], point_y = numbers[i + 1];
    if (dimensions == 3 && numbers[i + 2] != std::floor(numbers[i + 2])) return false;
    if (point_x == 0 && point_y == 0) continue;
    if (std::abs(point_x - x) > half_width + kDigits) return false;
    if (std::abs(point_y - y) > half_height + kDigits) return false;
  }
  return true;
}

// The columns as numbers; nullopt if one is not finite, which becomes the problem of `object`.
std::optional<std::vector<double>> ParseNumbers(const std::vector<absl::string_view>& columns,
                                                YoloObject& object) {
  std::vector<double> numbers;
  for (const absl::string_view column : columns) {
    double value = 0;
    if (!absl::SimpleAtod(column, &value) || !std::isfinite(value)) {
      SetProblem(object, DefectKind::kBadNumber,
                 absl::StrCat("\"", column, "\" is not a number",
                              absl::StrContains(column, ",") ? kAboutCommas : ""));
      return std::nullopt;
    }
    numbers.push_back(value);
  }
  return numbers;
}

// `numbers`: those after the class.
void SetShape(const std::vector<double>& numbers, YoloObject& object) {
  if (numbers.size() == 4) {
    const double x = numbers[0], y = numbers[1], width = numbers[2], height = numbers[3];
    object.xywh = {x - width / 2, y - height / 2, width, height};
  } else if (numbers.size() >= 6 && numbers.size() % 2 == 0) {
    object.polygon = true;
    object.fits_keypoints = FitsKeypoints(numbers, 2) || FitsKeypoints(numbers, 3);
    object.xywh = Bounds(numbers);
  } else {
    SetProblem(
        object, DefectKind::kMissingField,
        absl::StrCat(Counted(numbers.size(), "number"),
                     " after the class; a box has 4, a polygon an even number of at least 6",
                     numbers.size() == 5 ? ", and detections with scores are not labels" : ""));
  }
}

YoloObject ParseLine(absl::string_view line, int64_t number, bool keypoints) {
  YoloObject object;
  object.text = absl::StrCat("line ", number, ": ", line.substr(0, kMaxShown),
                             line.size() > kMaxShown ? "..." : "");
  std::vector<absl::string_view> columns =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (keypoints && columns.size() > 5) columns.resize(5);
  std::optional<std::vector<double>> numbers = ParseNumbers(columns, object);
  if (!numbers) return object;
  const double class_number = numbers->front();
  if (class_number != std::floor(class_number) || class_number < 0 || class_number > 1e9) {
    SetProblem(object, DefectKind::kBadNumber, "the class is not a whole number >= 0");
    return object;
  }
  object.class_number = static_cast<int64_t>(class_number);
  numbers->erase(numbers->begin());
  SetShape(*numbers, object);
  return object;
}

}  // namespace

std::vector<YoloObject> ParseYoloLabels(absl::string_view text, bool keypoints) {
  std::vector<YoloObject> objects;
  int64_t number = 0;
  const std::string lines =
      absl::StrReplaceAll(WithoutByteOrderMark(text), {{"\r\n", "\n"}, {"\r", "\n"}});
  for (absl::string_view line : absl::StrSplit(lines, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (!line.empty()) objects.push_back(ParseLine(line, number, keypoints));
  }
  return objects;
}

}  // namespace rcnn::data
