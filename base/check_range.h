// The range of a number in a config, and the error that says so.
//
// Example: RCNN_RETURN_IF_ERROR(CheckRange("rpn.train_proposals.nms_iou", nms_iou, 0, 1));

#ifndef RCNN_BASE_CHECK_RANGE_H_
#define RCNN_BASE_CHECK_RANGE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn {

// kInvalidArgument, "FIELD is VALUE, not in [LOW, HIGH]", unless low <= value <= high. NaN is in
// no range. `field` is the path to the number as its config has it.
absl::Status CheckRange(absl::string_view field, double value, double low, double high);

}  // namespace rcnn

#endif  // RCNN_BASE_CHECK_RANGE_H_
