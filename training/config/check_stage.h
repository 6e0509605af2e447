// The part of check_experiment.h that validates one stage.

#ifndef RCNN_TRAINING_CONFIG_CHECK_STAGE_H_
#define RCNN_TRAINING_CONFIG_CHECK_STAGE_H_

#include "absl/status/status.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// Checks config.stages(index); earlier stages and all names have been checked.
// kInvalidArgument for the first error, "field: what, and what to do".
absl::Status CheckStage(const configs::ExperimentConfig& config, int index);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_CHECK_STAGE_H_
