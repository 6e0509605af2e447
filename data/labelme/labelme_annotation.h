// One LabelMe annotation file (JSON) as it is written, its shapes as boxes.
//
// Source: github.com/wkentaro/labelme, label_file.py (versions 3 to 5): imagePath,
// imageWidth, imageHeight, shapes/{label, points, shape_type}. Points are continuous
// pixels. imageData, the image itself in base 64, is not read.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(LabelMeAnnotation annotation, ParseLabelMe(bytes), path);

#ifndef RCNN_DATA_LABELME_LABELME_ANNOTATION_H_
#define RCNN_DATA_LABELME_LABELME_ANNOTATION_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/defect_report.h"

namespace rcnn::data {

struct LabelMeShape {
  // Without surrounding spaces; "" if missing.
  std::string label;
  // "shape_type"; "polygon" if missing.
  std::string type;
  // Left, top, width and height of the points' bounds, in continuous pixels. A circle has two
  // points, its centre and one on its rim; these are the bounds of the circle. Zero with
  // kMissingField and kBadNumber.
  std::array<double, 4> xywh = {0, 0, 0, 0};
  // X-AnyLabeling's mark "difficult".
  bool difficult = false;
  // What messages show: 'rectangle "cat" (10, 20, 30, 40)'.
  std::string text;
  // kMissingField without label or points, kBadNumber, and kZeroSize for points and
  // lines, which have no area.
  std::optional<DefectKind> problem = std::nullopt;
};

struct LabelMeAnnotation {
  // "" if missing.
  std::string image_path;
  // In pixels; 0 if missing or not a whole number from 1 to 999,999,999.
  int64_t width = 0;
  int64_t height = 0;
  std::vector<LabelMeShape> shapes;
};

// kInvalidArgument if `bytes` are not JSON, have no array "shapes", or have more shapes than
// CheckNumRecords allows (data/core/record_limit.h). The message names a trailing comma, UTF-16 and
// a Git LFS pointer as such.
absl::StatusOr<LabelMeAnnotation> ParseLabelMe(absl::string_view bytes);

}  // namespace rcnn::data

#endif  // RCNN_DATA_LABELME_LABELME_ANNOTATION_H_
