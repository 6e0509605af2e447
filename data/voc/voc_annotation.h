// One PASCAL VOC annotation file (XML), as written and unchecked.
//
// Parsed from bytes, without the rest of the dataset; voc_reader.h interprets the
// values. Format: VOC2012 devkit, Sec. 3 ("Data", annotation files); the fields
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

// One box of an <object>; where that has several, each is an object.
struct VocObject {
  // Without surrounding spaces; "" if missing.
  std::string name;
  // xmin, ymin, xmax, ymax as in the file.
  std::array<double, 4> corners = {0, 0, 0, 0};
  bool difficult = false;
  // Set, with the field and its value, if a field is missing or not a finite
  // number.
  std::optional<DefectKind> problem = std::nullopt;
  std::string problem_value;
};

struct VocAnnotation {
  // <filename>; "" if missing.
  std::string file_name;
  // 0 if missing or not a positive whole number; size_text has the original text.
  int64_t width = 0;
  int64_t height = 0;
  std::string size_text;
  std::vector<VocObject> objects;
};

// Text in the encoding that the XML declares, or in UTF-16 or UTF-32 that is recognised by its
// bytes, becomes UTF-8.
//
// kInvalidArgument for invalid XML, an unknown encoding or bytes that are not of it, for a root
// other than <annotation>, and for entity declarations (which no annotation needs, and which can
// make a kilobyte expand to gigabytes); also for objects that take many times the size of the file
// in memory (record_limit.h), or whose names do.
absl::StatusOr<VocAnnotation> ParseVocAnnotation(absl::string_view bytes);

}  // namespace rcnn::data

#endif  // RCNN_DATA_VOC_VOC_ANNOTATION_H_
