#include "rcnn/data/cvat/cvat_annotation.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "pugixml.hpp"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/record_limit.h"
#include "rcnn/data/core/stated_size.h"
#include "rcnn/data/core/xml_document.h"

namespace rcnn::data {
namespace {

constexpr double kPi = 3.14159265358979323846;

struct Bounds {
  double left = INFINITY, top = INFINITY, right = -INFINITY, bottom = -INFINITY;

  void Add(double x, double y) {
    left = std::min(left, x);
    top = std::min(top, y);
    right = std::max(right, x);
    bottom = std::max(bottom, y);
  }
};

std::string Attribute(const pugi::xml_node& node, const char* name) {
  return std::string(absl::StripAsciiWhitespace(node.attribute(name).value()));
}

void SetProblem(CvatShape& shape, DefectKind kind, absl::string_view what) {
  if (shape.problem) return;
  shape.problem = kind;
  absl::StrAppend(&shape.text, ": ", what);
}

double Number(const pugi::xml_node& node, const char* name, CvatShape& shape) {
  const std::string text = Attribute(node, name);
  double value = 0;
  if (text.empty()) {
    SetProblem(shape, DefectKind::kMissingField, name);
  } else if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) {
    SetProblem(shape, DefectKind::kBadNumber, absl::StrCat(name, " = \"", text, "\""));
    return 0;
  }
  return value;
}

// The angle of a shape in radians; 0 if it is not turned.
double Angle(const pugi::xml_node& node, CvatShape& shape) {
  return node.attribute("rotation") ? Number(node, "rotation", shape) * kPi / 180 : 0;
}

// Its corners, turned about its centre.
void AddBox(const pugi::xml_node& node, CvatShape& shape, Bounds& bounds) {
  const double left = Number(node, "xtl", shape), top = Number(node, "ytl", shape);
  const double right = Number(node, "xbr", shape), bottom = Number(node, "ybr", shape);
  const double angle = Angle(node, shape);
  if (angle == 0) {
    bounds = {left, top, right, bottom};
    return;
  }
  const double x = (left + right) / 2, y = (top + bottom) / 2;
  for (const double dx : {left - x, right - x}) {
    for (const double dy : {top - y, bottom - y}) {
      bounds.Add(x + dx * std::cos(angle) - dy * std::sin(angle),
                 y + dx * std::sin(angle) + dy * std::cos(angle));
    }
  }
}

// The half width of a turned ellipse is sqrt((rx cos)^2 + (ry sin)^2).
void AddEllipse(const pugi::xml_node& node, CvatShape& shape, Bounds& bounds) {
  const double x = Number(node, "cx", shape), y = Number(node, "cy", shape);
  const double rx = Number(node, "rx", shape), ry = Number(node, "ry", shape);
  const double angle = Angle(node, shape);
  const double half_width = std::hypot(rx * std::cos(angle), ry * std::sin(angle));
  const double half_height = std::hypot(rx * std::sin(angle), ry * std::cos(angle));
  bounds = {x - half_width, y - half_height, x + half_width, y + half_height};
}

void AddMask(const pugi::xml_node& node, CvatShape& shape, Bounds& bounds) {
  const double left = Number(node, "left", shape), top = Number(node, "top", shape);
  bounds = {left, top, left + Number(node, "width", shape), top + Number(node, "height", shape)};
}

void AddPoints(const pugi::xml_node& node, CvatShape& shape, Bounds& bounds) {
  const std::string points = Attribute(node, "points");
  if (points.empty()) return SetProblem(shape, DefectKind::kMissingField, "points");
  for (const absl::string_view point : absl::StrSplit(points, ';', absl::SkipWhitespace())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(point, ',');
    double x = 0, y = 0;
    if (parts.size() != 2 || !absl::SimpleAtod(parts[0], &x) || !absl::SimpleAtod(parts[1], &y) ||
        !std::isfinite(x) || !std::isfinite(y)) {
      return SetProblem(shape, DefectKind::kBadNumber,
                        absl::StrCat("\"", point, "\" is not a pair of numbers"));
    }
    bounds.Add(x, y);
  }
}

bool IsDifficult(const pugi::xml_node& shape) {
  const pugi::xml_node mark = shape.find_child_by_attribute("attribute", "name", "difficult");
  const std::string value = XmlText(mark);
  return value == "1" || absl::EqualsIgnoreCase(value, "true");
}

bool IsShape(absl::string_view kind) {
  constexpr absl::string_view kKinds[] = {"box",  "polygon", "polyline", "points",
                                          "mask", "ellipse", "cuboid",   "skeleton"};
  return std::find(std::begin(kKinds), std::end(kKinds), kind) != std::end(kKinds);
}

// False for an element that is not a shape, such as <tag>.
bool ReadShape(const pugi::xml_node& node, CvatShape& shape) {
  const absl::string_view kind = node.name();
  const bool flat = kind == "polyline" || kind == "points";
  if (!IsShape(kind)) return false;
  shape.label = Attribute(node, "label");
  shape.text = absl::StrCat(kind, " \"", shape.label, "\"");
  if (shape.label.empty()) SetProblem(shape, DefectKind::kMissingField, "label");
  shape.difficult = IsDifficult(node);
  if (kind == "cuboid" || kind == "skeleton") {
    SetProblem(shape, DefectKind::kMissingField,
               absl::StrCat(kind, "s are not supported; export them as boxes"));
    return true;
  }
  Bounds bounds;
  if (kind == "box") AddBox(node, shape, bounds);
  if (kind == "ellipse") AddEllipse(node, shape, bounds);
  if (kind == "mask") AddMask(node, shape, bounds);
  if (kind == "polygon" || flat) AddPoints(node, shape, bounds);
  if (shape.problem) return true;
  shape.xywh = {bounds.left, bounds.top, bounds.right - bounds.left, bounds.bottom - bounds.top};
  absl::StrAppendFormat(&shape.text, " (%.10g, %.10g, %.10g, %.10g)", bounds.left, bounds.top,
                        bounds.right, bounds.bottom);
  if (flat) shape.problem = DefectKind::kZeroSize;
  return true;
}

// Of a file of so many bytes; `shapes` counts those of all its images.
absl::StatusOr<CvatImage> ReadImage(const pugi::xml_node& node, size_t file_bytes, size_t& shapes) {
  CvatImage image;
  image.name = Attribute(node, "name");
  image.subset = Attribute(node, "subset");
  image.width = StatedPixels(Attribute(node, "width"));
  image.height = StatedPixels(Attribute(node, "height"));
  for (const pugi::xml_node& child : node) {
    CvatShape shape;
    if (!ReadShape(child, shape)) continue;
    RCNN_RETURN_IF_ERROR(CheckNumRecords(++shapes, "shapes", file_bytes));
    image.shapes.push_back(std::move(shape));
  }
  return image;
}

// meta/task/labels, meta/project/labels or meta/job/labels.
std::vector<std::string> ReadLabels(const pugi::xml_node& meta) {
  std::vector<std::string> names;
  absl::flat_hash_set<std::string> seen;
  for (const pugi::xml_node& owner : meta) {
    for (const pugi::xml_node& label : owner.child("labels").children("label")) {
      std::string name = XmlText(label.child("name"));
      if (!name.empty() && seen.insert(name).second) names.push_back(std::move(name));
    }
  }
  return names;
}

}  // namespace

absl::StatusOr<CvatAnnotation> ParseCvat(absl::string_view bytes) {
  pugi::xml_document document;
  RCNN_RETURN_IF_ERROR(ParseXml(bytes, document));
  const pugi::xml_node root = document.child("annotations");
  if (!root) return absl::InvalidArgumentError("no <annotations> element");
  if (root.child("track")) {
    return absl::InvalidArgumentError(
        "CVAT's format for videos (<track>); export it as \"CVAT for images 1.1\"");
  }
  CvatAnnotation annotation;
  annotation.labels = ReadLabels(root.child("meta"));
  size_t shapes = 0;
  for (const pugi::xml_node& node : root.children("image")) {
    RCNN_RETURN_IF_ERROR(CheckNumRecords(annotation.images.size() + 1, "images", bytes.size()));
    RCNN_ASSIGN_OR_RETURN(CvatImage image, ReadImage(node, bytes.size(), shapes));
    annotation.images.push_back(std::move(image));
  }
  return annotation;
}

}  // namespace rcnn::data
