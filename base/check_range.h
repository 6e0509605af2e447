// Checks that a number in a config is in its range.
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckRange("rpn.train_proposals.nms_iou", nms_iou, 0, 1));

#ifndef RCNN_BASE_CHECK_RANGE_H_
#define RCNN_BASE_CHECK_RANGE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn {

// Returns kInvalidArgument, "FIELD is VALUE, not in [LOW, HIGH]", unless low <= value <= high.
// NaN is always out of range. `field` is the path to the number in its config.
absl::Status CheckRange(absl::string_view field, double value, double low, double high);

}  // namespace rcnn

#endif  // RCNN_BASE_CHECK_RANGE_H_
