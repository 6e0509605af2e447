// The errors of an evaluation as JSON: in all, by size, by class and by image.
//
//   {"ap50": 0.61, "errors": {"Cls": {"dap": 0.02, "count": 31}, "Loc": ..., "Miss": ...},
//    "false_positives": 0.1, "false_negatives": 0.2,
//    "sizes": [{"size": "small", "errors": {...}}, ...],
//    "classes": [{"id": 1, "name": "cat", "objects": 9, "detections": 12, "ap50": 0.5,
//                 "errors": {...}}, ...],
//    "images": [{"id": 7, "file_name": "7.jpg", "errors": {"Cls": 2, ...}}, ...]}
//
// AP and dAP are in [0, 1]. "images" has only those with an error, most errors first.
//
// Example:
//   const std::string json = ErrorsToJson(truth, errors, fixes);
//   RCNN_RETURN_IF_ERROR(WriteFileAtomically("errors.json", json).status());

#ifndef RCNN_EVAL_ERRORS_ERRORS_JSON_H_
#define RCNN_EVAL_ERRORS_ERRORS_JSON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "rcnn/eval/errors/detection_errors.h"
#include "rcnn/eval/errors/oracle_fixes.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// Positions of the images that have an error, most errors first, equal ones in order.
std::vector<int64_t> ImagesByErrors(const DetectionErrors& errors);

// `errors` and `fixes` are those of `truth`. Bytes of names that are not UTF-8 are replaced.
std::string ErrorsToJson(const GroundTruth& truth, const DetectionErrors& errors,
                         const OracleFixes& fixes);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_ERRORS_ERRORS_JSON_H_
