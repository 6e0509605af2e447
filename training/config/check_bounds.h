// Checks that a number of an experiment is not below its least value.

#ifndef RCNN_TRAINING_CONFIG_CHECK_BOUNDS_H_
#define RCNN_TRAINING_CONFIG_CHECK_BOUNDS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::training {

// Returns kInvalidArgument, "FIELD: is VALUE; must be at least LEAST", unless value >= least.
// NaN is too small. `field` is the path to the number in the experiment or stage.
absl::Status CheckAtLeast(absl::string_view field, double value, double least);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_CHECK_BOUNDS_H_
