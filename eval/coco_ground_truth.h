// Ground truth from a COCO instances file, unchanged.
//
// Nothing is repaired, clipped or left out, as in the official evaluation; for
// training data see data/coco/coco_reader.h.
//
// As in the official code: images and categories without annotations count;
// annotations of unlisted images or categories are kept here and skipped by the
// metrics; images need no file_name, and a category without a name is called by its
// id; "iscrowd", which may be missing, overrides an "ignore" field. Where the
// official code fails or misleads, kInvalidArgument names the record (counted from
// 0): a missing or wrong "id", "image_id", "category_id", "bbox" or "area", and two
// records with one id (the second annotation would be evaluated twice); other
// errors are those of data/coco_instances.h.
//
// Example: RCNN_ASSIGN_OR_RETURN(GroundTruth truth, ReadCocoGroundTruth("instances_val.json"));

#ifndef RCNN_EVAL_COCO_GROUND_TRUTH_H_
#define RCNN_EVAL_COCO_GROUND_TRUTH_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// Reads a file. Errors name the path too.
absl::StatusOr<GroundTruth> ReadCocoGroundTruth(const std::string& path);

// Reads text.
absl::StatusOr<GroundTruth> ParseCocoGroundTruth(absl::string_view json);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_GROUND_TRUTH_H_
