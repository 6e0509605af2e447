// Reads COCO results JSON quickly and exactly.
//
// The file is mapped and split at record boundaries into pieces, which all cores
// parse with simdjson, so that memory beyond the detections themselves is a few
// megabytes. Records of the four fields below and nothing else are read without
// building a tree. A split may be wrong if a string contains text that looks like
// a boundary. Then a piece does not parse, and the file is read again record by
// record, which also finds the record that an error names. Numbers equal those of
// a correctly rounding parser (Python's json).
//
// Reads "image_id", "category_id", "bbox" and "score" of each record; other fields
// ("segmentation") must be valid JSON and are skipped; the last of repeated fields
// counts. An id may be written as a float without a fraction.
//
// Errors, kInvalidArgument, name the record, counted from 0: malformed or truncated
// JSON, a missing field, a value of the wrong type, a bbox without exactly four
// numbers, NaN and Infinity (which Python writes but JSON does not allow). Ids and
// sizes are checked against the dataset by ValidateDetections.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(Detections detections, ReadDetections("results.json"));
//   RCNN_RETURN_IF_ERROR(ValidateDetections(detections, truth), "results.json");

#ifndef RCNN_EVAL_DETECTIONS_READER_H_
#define RCNN_EVAL_DETECTIONS_READER_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/eval/detections.h"

namespace rcnn::eval {

struct DetectionsReaderOptions {
  // 0: all cores.
  int threads = 0;
  // Size of the pieces in bytes; >= 1. For tests.
  int64_t piece_bytes = int64_t{1} << 18;
};

// Reads a file. Errors name the path too.
absl::StatusOr<Detections> ReadDetections(const std::string& path,
                                          const DetectionsReaderOptions& options = {});

// Reads text.
absl::StatusOr<Detections> ParseDetections(absl::string_view json,
                                           const DetectionsReaderOptions& options = {});

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_DETECTIONS_READER_H_
