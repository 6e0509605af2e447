// One PASCAL VOC annotation file (XML) as it is written, unchecked.
//
// From bytes, without the dataset around it; voc_reader.h gives the values a
// meaning. Format: VOC2012 devkit, Sec. 3 ("Data", annotation files); the fields
// read are filename, size/{width,height}, object/{name,difficult,bndbox}.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(VocAnnotation annotation, ParseVocAnnotation(bytes), path);

#ifndef RCNN_DATA_VOC_VOC_ANNOTATION_H_
#define RCNN_DATA_VOC_VOC_ANNOTATION_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/defect_report.h"

namespace rcnn::data {

struct VocObject {
  // Without spaces around it; "" if missing.
  std::string name;
  // xmin, ymin, xmax, ymax as in the file.
  std::array<double, 4> corners = {0, 0, 0, 0};
  bool difficult = false;
  // Set if a field is missing or no finite number, with what and how.
  std::optional<DefectKind> problem = std::nullopt;
  std::string problem_value;
};

struct VocAnnotation {
  // <filename>; "" if missing.
  std::string file_name;
  // 0 if missing or no positive whole number; size_text says what was there.
  int64_t width = 0;
  int64_t height = 0;
  std::string size_text;
  std::vector<VocObject> objects;
};

// kInvalidArgument for what is no XML, has no <annotation> as its root, or
// declares entities of its own (which no annotation needs, and which can make a
// kilobyte expand to gigabytes).
absl::StatusOr<VocAnnotation> ParseVocAnnotation(absl::string_view bytes);

}  // namespace rcnn::data

#endif  // RCNN_DATA_VOC_VOC_ANNOTATION_H_
