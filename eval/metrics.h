// Named numbers of an evaluation, and minimums for them.
//
// For continuous integration: a minimum "ap50=0.9" fails if AP50 is lower, or is
// not defined on the dataset.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(std::vector<Metric> floors, ParseFloors("ap50=0.9,voc07=0.7"));
//   RCNN_ASSIGN_OR_RETURN(std::vector<std::string> failures, BelowFloor(metrics, floors));

#ifndef RCNN_EVAL_METRICS_H_
#define RCNN_EVAL_METRICS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/eval/coco_evaluation.h"

namespace rcnn::eval {

struct Metric {
  std::string name;
  double value = 0;
};

// ap, ap50, ap75, ap_small, ap_medium, ap_large, then ar1, ar10, ar100, ... (each
// of max_detections), ar_small, ar_medium, ar_large; -1 where undefined.
std::vector<Metric> CocoMetrics(const CocoEvaluation& evaluation);

// Parses "NAME=NUMBER" separated by commas, with optional spaces; "" gives none.
// kInvalidArgument naming a malformed part or a duplicate name.
absl::StatusOr<std::vector<Metric>> ParseFloors(absl::string_view text);

// One sentence for each metric that is below its minimum or not defined.
// kInvalidArgument, listing the known names, for a name that is not among the
// metrics.
absl::StatusOr<std::vector<std::string>> BelowFloor(const std::vector<Metric>& metrics,
                                                    const std::vector<Metric>& floors);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_METRICS_H_
