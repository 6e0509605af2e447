// Options of the COCO metrics as texts of command-line flags.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(options.iou_thresholds, ParseNumbers("iou_thresholds", "0.5,0.75"));
//   RCNN_RETURN_IF_ERROR(AddAreas("tiny:0:256,all:0:1e10", options.areas));

#ifndef RCNN_EVAL_COCO_FLAGS_H_
#define RCNN_EVAL_COCO_FLAGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/eval/coco_options.h"

namespace rcnn::eval {

// Numbers separated by commas; "" for none. Errors are kInvalidArgument and begin with --<flag>.
absl::StatusOr<std::vector<double>> ParseNumbers(const std::string& flag, absl::string_view text);

// Likewise whole numbers >= 1, each once.
absl::StatusOr<std::vector<int64_t>> ParseCounts(const std::string& flag, absl::string_view text);

// Adds the ranges NAME:LOW:HIGH of the flag --areas, separated by commas, in square pixels. One
// whose name is there already takes the place of that range. kInvalidArgument for another form.
absl::Status AddAreas(absl::string_view text, std::vector<AreaRange>& areas);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_FLAGS_H_
