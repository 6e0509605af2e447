// The text of one YOLO label file: a line for each object of an image.
//
//   CLASS X Y WIDTH HEIGHT        centre and size
//   CLASS X1 Y1 X2 Y2 X3 Y3 ...   corners of a polygon, at least three
//
// All but the class are fractions of the image's size.
// Source: docs.ultralytics.com, "Object Detection Datasets", "Instance Segmentation
// Datasets", "Pose Estimation Datasets".
//
// Example:
//   std::vector<YoloObject> objects = ParseYoloLabels("0 0.5 0.5 0.2 0.1\n");

#ifndef RCNN_DATA_YOLO_YOLO_LABELS_H_
#define RCNN_DATA_YOLO_YOLO_LABELS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/data/core/defect_report.h"

namespace rcnn::data {

struct YoloObject {
  // >= 0; meaningless with a problem.
  int64_t class_number = 0;
  // x, y, width, height of the box as fractions, x and y of its upper left corner.
  std::array<double, 4> xywh = {0, 0, 0, 0};
  bool polygon = false;
  // The numbers of the polygon could also be a box and keypoints inside of it.
  bool fits_keypoints = false;
  // The line with its number, cut if it is long: "line 3: 0 0.5 0.5 0.2 0.1".
  std::string text;
  // kMissingField for a wrong number of columns, kBadNumber for what is not a number.
  std::optional<DefectKind> problem = std::nullopt;
};

// Objects of all lines that are not empty. `keypoints`: only the first five columns of
// a line count.
std::vector<YoloObject> ParseYoloLabels(absl::string_view text, bool keypoints = false);

}  // namespace rcnn::data

#endif  // RCNN_DATA_YOLO_YOLO_LABELS_H_
