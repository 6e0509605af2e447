// The part of check_experiment.h that looks at a stage that trains.

#ifndef RCNN_TRAINING_CONFIG_CHECK_TRAINING_H_
#define RCNN_TRAINING_CONFIG_CHECK_TRAINING_H_

#include "absl/status/status.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// Checks config.stages(index), which trains: settings, initial weights, frozen
// parts, proposals, and that the model has what it trains. The errors of
// CheckStage.
absl::Status CheckTrainingStage(const configs::ExperimentConfig& config, int index);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_CHECK_TRAINING_H_
