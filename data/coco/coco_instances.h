// A COCO "instances" annotations file (JSON), as written and almost unchecked.
//
// For large files: one pass with simdjson over the mapped file, without a tree in
// memory. Only the fields below are kept; info, licenses and unknown fields are skipped, and so
// are segmentations (polygons or RLE), except polygons of an annotation without a bbox.
// coco_reader.h interprets the records. Use this reader if you need the file unchanged, such as
// for metrics that are defined on the raw numbers.
//
// Format: cocodataset.org, "Data format", 1. Object Detection.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(CocoInstances instances, ReadCocoInstances(path));

#ifndef RCNN_DATA_COCO_COCO_INSTANCES_H_
#define RCNN_DATA_COCO_COCO_INSTANCES_H_

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/defect_report.h"

namespace rcnn::data {

struct CocoCategory {
  int64_t id = 0;
  // Without spaces around it.
  std::string name;
  std::string supercategory = {};
};

struct CocoImage {
  int64_t id = 0;
  std::string file_name;
  // In pixels; 0 if missing or not a whole number.
  int64_t width = 0;
  int64_t height = 0;
};

// Why a record is unusable: the first field that is missing or not a number (NaN,
// 1e400, a string).
struct CocoProblem {
  // The name of the field (a literal), or "" if there is no problem.
  const char* field = "";
  DefectKind kind = DefectKind::kMissingField;

  bool found() const { return field[0] != '\0'; }
};

struct CocoAnnotation {
  int64_t id = 0;
  int64_t image_id = 0;
  int64_t category_id = 0;
  // x, y, width, height as in the file, or of the polygons where the file has none.
  std::array<double, 4> bbox = {0, 0, 0, 0};
  // In square pixels; NaN if missing or not a number.
  double area = std::numeric_limits<double>::quiet_NaN();
  bool iscrowd = false;
  CocoProblem problem;
};

struct CocoInstancesOptions {
  // Whether an image must have a file_name and a category a name. Metrics need
  // neither; missing names are "".
  bool need_names = true;
  // Whether there must be annotations. Files that only list images (image_info_...)
  // have none.
  bool need_annotations = true;
};

// Records in the order of the file.
struct CocoInstances {
  std::vector<CocoCategory> categories;
  std::vector<CocoImage> images;
  std::vector<CocoAnnotation> annotations;
  // What the file has for the field of an annotation's problem, by place in
  // `annotations`; shortened.
  std::map<int64_t, std::string> bad_values;
  // Repairs that the user should know about.
  std::vector<std::string> notices;
};

// Whole numbers of images, categories and annotations may be strings of digits. Annotations
// without an id are numbered after the highest one. One whose bbox is missing or null gets that of
// its polygons (coco_polygons.h); a run-length mask without a bbox is a problem. An area that is
// not a finite number counts as missing; an iscrowd that is neither a whole number nor a boolean
// counts as 0.
//
// kInvalidArgument, naming the record where there is one, for invalid JSON, an image without id or
// file_name, a category without id or name, a missing or duplicate section, for
// an id that two records of a section share, and for more annotations than fit the size of the
// text (data/core/record_limit.h). Annotations with other faults are returned with their problem.
absl::StatusOr<CocoInstances> ParseCocoInstances(absl::string_view bytes,
                                                 const CocoInstancesOptions& options = {});

// The same for a file of less than 4 GiB. Errors start with the path.
absl::StatusOr<CocoInstances> ReadCocoInstances(const std::string& path,
                                                const CocoInstancesOptions& options = {});

}  // namespace rcnn::data

#endif  // RCNN_DATA_COCO_COCO_INSTANCES_H_
