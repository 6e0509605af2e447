// An annotations file of CVAT ("CVAT for images 1.1", XML), its shapes as boxes.
//
// Source: docs.cvat.ai, "XML annotation format", version 1.1: image/{name, width,
// height, subset}, box, polygon, ellipse, mask; continuous pixels, boxes turned by
// `rotation` degrees about their centre.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(CvatAnnotation annotation, ParseCvat(bytes), path);

#ifndef RCNN_DATA_CVAT_CVAT_ANNOTATION_H_
#define RCNN_DATA_CVAT_CVAT_ANNOTATION_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/defect_report.h"

namespace rcnn::data {

struct CvatShape {
  // Without spaces around it.
  std::string label;
  // x, y, width, height of its bounds.
  std::array<double, 4> xywh = {0, 0, 0, 0};
  // Has the attribute "difficult", as CVAT keeps VOC's mark.
  bool difficult = false;
  // What messages show: 'box "cat" (10, 20, 30, 40)'.
  std::string text;
  // kMissingField, also for cuboids and skeletons, which are not read; kBadNumber; kZeroSize for
  // points and lines, which have no area.
  std::optional<DefectKind> problem = std::nullopt;
};

struct CvatImage {
  std::string name;
  // "" if missing.
  std::string subset;
  // In pixels; 0 if missing or not a whole number from 1 to 999,999,999.
  int64_t width = 0;
  int64_t height = 0;
  std::vector<CvatShape> shapes;
};

struct CvatAnnotation {
  // Of the task or project, in its order; none if the file does not list them.
  std::vector<std::string> labels;
  std::vector<CvatImage> images;
};

// kInvalidArgument for what is not XML, has no <annotations> as its root, declares
// entities of its own, or is CVAT's format for videos (<track>), or has more images or shapes than
// fit its size (data/core/record_limit.h). Encodings: as in ParseXml (data/core/xml_document.h).
absl::StatusOr<CvatAnnotation> ParseCvat(absl::string_view bytes);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CVAT_CVAT_ANNOTATION_H_
