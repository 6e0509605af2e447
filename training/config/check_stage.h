// The part of check_experiment.h that looks at one stage.

#ifndef RCNN_TRAINING_CONFIG_CHECK_STAGE_H_
#define RCNN_TRAINING_CONFIG_CHECK_STAGE_H_

#include "absl/status/status.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// Checks config.stages(index); those before it have been found right, names
// included. kInvalidArgument "field: what, and what to do".
absl::Status CheckStage(const configs::ExperimentConfig& config, int index);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_CHECK_STAGE_H_
