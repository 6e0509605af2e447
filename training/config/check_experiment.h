// What is wrong with an experiment, as far as it shows without data or weights.
//
// A run may take days: what can be known at its start is said at its start.

#ifndef RCNN_TRAINING_CONFIG_CHECK_EXPERIMENT_H_
#define RCNN_TRAINING_CONFIG_CHECK_EXPERIMENT_H_

#include "absl/status/status.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// OK if every stage can be built: names, references to earlier stages of the
// right kind and of the right dataset, values in range, the parts of the model
// that a stage needs, and for `evaluate` that RPN and head share a backbone.
// Else kInvalidArgument for the first thing that is wrong: "stage \"fast2\":
// field: what, and what to do".
absl::Status CheckExperiment(const configs::ExperimentConfig& config);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_CHECK_EXPERIMENT_H_
