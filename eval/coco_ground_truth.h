// Ground truth from a COCO instances file, unchanged.
//
// Nothing is repaired, clipped or left out, as in the official evaluation; for
// training data see data/coco/coco_reader.h.
//
// As in the official code: images and categories without annotations count;
// annotations of unlisted images or categories are kept here and skipped by the
// metrics; images need no file_name, and a category without a name is called by its
// id; "iscrowd", which may be missing, overrides an "ignore" field; an annotation of
// id 0 counts as unmatched by whatever detection matches it (with a warning).
//
// Where the official code fails, a default is used, with a warning: width * height for
// an "area" that is missing or not a number, 0 for an "iscrowd" that is not one, a number
// after the highest for a missing "id" (data/coco/coco_instances.h). A root category
// without objects (data/coco/coco_root_category.h) is left out. Where it misleads,
// kInvalidArgument names the record (counted from 0): a missing or wrong "image_id",
// "category_id" or "bbox", a negative "area", two records with one id (the second
// annotation would be evaluated twice), and boxes that are all fractions of their image;
// other errors are those of data/coco/coco_instances.h.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(GroundTruth truth, ReadCocoGroundTruth("instances_val.json"));

#ifndef RCNN_EVAL_COCO_GROUND_TRUTH_H_
#define RCNN_EVAL_COCO_GROUND_TRUTH_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

struct CocoGroundTruthOptions {
  // Whether there must be annotations: false where only the ids of images and categories
  // are needed.
  bool need_annotations = true;
  // Whether boxes that all lie within 0..1 are an error.
  bool check_units = true;
};

// Reads a file. Errors name the path too.
absl::StatusOr<GroundTruth> ReadCocoGroundTruth(const std::string& path,
                                                const CocoGroundTruthOptions& options = {});

// Reads text.
absl::StatusOr<GroundTruth> ParseCocoGroundTruth(absl::string_view json,
                                                 const CocoGroundTruthOptions& options = {});

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_GROUND_TRUTH_H_
