#include "rcnn/data/labelme/labelme_annotation.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/byte_order_mark.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/json_diagnosis.h"
#include "rcnn/data/core/record_limit.h"
#include "rcnn/data/core/stated_size.h"
#include "simdjson.h"

namespace rcnn::data {
namespace {

namespace dom = simdjson::dom;

std::string Text(const dom::element& object, const char* key) {
  std::string_view text;
  if (object[key].get_string().get(text) != simdjson::SUCCESS) return "";
  return std::string(absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size())));
}

// The first of `keys` that the object gives several times; "" if there is none. simdjson takes the
// first value, and LabelMe itself the last.
std::string RepeatedKey(const dom::element& element, std::initializer_list<std::string_view> keys) {
  dom::object object;
  if (element.get_object().get(object) != simdjson::SUCCESS) return "";
  for (const std::string_view key : keys) {
    int64_t count = 0;
    for (const dom::key_value_pair field : object) count += field.key == key ? 1 : 0;
    if (count > 1) return std::string(key);
  }
  return "";
}

int64_t Pixels(const dom::element& object, const char* key) {
  double value = 0;
  return object[key].get_double().get(value) == simdjson::SUCCESS ? StatedPixels(value) : 0;
}

bool GetPoint(const dom::element& element, std::array<double, 2>& point) {
  dom::array numbers;
  if (element.get_array().get(numbers) != simdjson::SUCCESS || numbers.size() < 2) return false;
  return numbers.at(0).get_double().get(point[0]) == simdjson::SUCCESS &&
         numbers.at(1).get_double().get(point[1]) == simdjson::SUCCESS;
}

// Left, top, right and bottom of the shape, which has at least one point.
std::array<double, 4> Bounds(const std::string& type,
                             const std::vector<std::array<double, 2>>& points) {
  if (type == "circle" && points.size() == 2) {
    const double radius = std::hypot(points[1][0] - points[0][0], points[1][1] - points[0][1]);
    return {points[0][0] - radius, points[0][1] - radius, points[0][0] + radius,
            points[0][1] + radius};
  }
  std::array<double, 4> bounds = {points[0][0], points[0][1], points[0][0], points[0][1]};
  for (const auto& [x, y] : points) {
    bounds = {std::min(bounds[0], x), std::min(bounds[1], y), std::max(bounds[2], x),
              std::max(bounds[3], y)};
  }
  return bounds;
}

LabelMeShape ReadShape(const dom::element& element) {
  LabelMeShape shape;
  shape.label = Text(element, "label");
  shape.type = Text(element, "shape_type");
  if (shape.type.empty()) shape.type = "polygon";
  shape.text = absl::StrCat(shape.type, " \"", shape.label, "\"");
  bool difficult = false;
  shape.difficult =
      element["difficult"].get_bool().get(difficult) == simdjson::SUCCESS && difficult;
  const std::string repeated = RepeatedKey(element, {"label", "shape_type", "points", "difficult"});
  if (!repeated.empty()) {
    shape.problem = DefectKind::kBadNumber;
    absl::StrAppend(&shape.text, ": several values of \"", repeated, "\"");
    return shape;
  }
  dom::array array;
  const bool has_points = element["points"].get_array().get(array) == simdjson::SUCCESS;
  if (shape.label.empty() || !has_points || array.size() == 0) {
    shape.problem = DefectKind::kMissingField;
    absl::StrAppend(&shape.text, shape.label.empty() ? ": no label" : ": no points");
    return shape;
  }
  std::vector<std::array<double, 2>> points;
  for (const dom::element item : array) {
    std::array<double, 2> point;
    if (!GetPoint(item, point)) {
      shape.problem = DefectKind::kBadNumber;
      absl::StrAppend(&shape.text, ": point ", points.size(), " is not a pair of numbers");
      return shape;
    }
    points.push_back(point);
  }
  const auto [left, top, right, bottom] = Bounds(shape.type, points);
  shape.xywh = {left, top, right - left, bottom - top};
  absl::StrAppendFormat(&shape.text, " (%.10g, %.10g, %.10g, %.10g)", left, top, right, bottom);
  if (shape.type == "point" || shape.type == "points" || shape.type == "line" ||
      shape.type == "linestrip") {
    shape.problem = DefectKind::kZeroSize;
  }
  return shape;
}

absl::Status NotJson(absl::string_view bytes, simdjson::error_code error) {
  if (const auto comma = DescribeTrailingComma(bytes)) return absl::InvalidArgumentError(*comma);
  return absl::InvalidArgumentError(
      absl::StrCat("not valid JSON: ", simdjson::error_message(error)));
}

}  // namespace

absl::StatusOr<LabelMeAnnotation> ParseLabelMe(absl::string_view bytes) {
  bytes = WithoutByteOrderMark(bytes);
  if (const auto other = DescribeOtherFormat(bytes)) return absl::InvalidArgumentError(*other);
  dom::parser parser;
  dom::element root;
  const simdjson::error_code error = parser.parse(bytes.data(), bytes.size()).get(root);
  if (error) return NotJson(bytes, error);
  dom::array shapes;
  if (root["shapes"].get_array().get(shapes) != simdjson::SUCCESS) {
    return absl::InvalidArgumentError("not a LabelMe file: it has no \"shapes\"");
  }
  const std::string repeated =
      RepeatedKey(root, {"shapes", "imagePath", "imageWidth", "imageHeight"});
  if (!repeated.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("several values of \"", repeated, "\""));
  }
  LabelMeAnnotation annotation;
  annotation.image_path = Text(root, "imagePath");
  annotation.width = Pixels(root, "imageWidth");
  annotation.height = Pixels(root, "imageHeight");
  for (const dom::element shape : shapes) {
    RCNN_RETURN_IF_ERROR(CheckNumRecords(annotation.shapes.size() + 1, "shapes", bytes.size()));
    annotation.shapes.push_back(ReadShape(shape));
  }
  return annotation;
}

}  // namespace rcnn::data
