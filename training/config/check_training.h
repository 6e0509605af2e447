// The part of check_experiment.h that validates a training stage.

#ifndef RCNN_TRAINING_CONFIG_CHECK_TRAINING_H_
#define RCNN_TRAINING_CONFIG_CHECK_TRAINING_H_

#include "absl/status/status.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// Checks the training stage config.stages(index): settings, initial weights, frozen
// parts, proposals, and that the model has the parts to train. Returns the errors
// of CheckStage.
absl::Status CheckTrainingStage(const configs::ExperimentConfig& config, int index);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_CHECK_TRAINING_H_
