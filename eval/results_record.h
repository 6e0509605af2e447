// The fields that all COCO results records have.
//
// A part of the readers of results. Errors, kInvalidArgument, name the field.

#ifndef RCNN_EVAL_RESULTS_RECORD_H_
#define RCNN_EVAL_RESULTS_RECORD_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rcnn/eval/detections.h"
#include "simdjson.h"

namespace rcnn::eval {

// Which fields of a record have been seen.
enum ResultsField : unsigned {
  kImageField = 1,
  kCategoryField = 2,
  kBoxField = 4,
  kScoreField = 8,
  kAllResultsFields = 15
};

// Reads the four fields of an object into `d` and records them in `seen`. Skips
// other fields. kInvalidArgument for a value of the wrong type or a missing
// `required` field.
absl::Status ReadResultsRecord(simdjson::dom::element value, unsigned required, Detection& d,
                               unsigned& seen);

// kInvalidArgument if the text does not begin like a list; `shape` names the field
// that holds the shape of an object.
absl::Status CheckIsResultsFile(absl::string_view json, absl::string_view shape);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_RESULTS_RECORD_H_
