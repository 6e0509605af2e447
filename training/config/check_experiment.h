// Validates an experiment as far as possible without data or weights.
//
// A run may take days, so everything that can be checked at its start is checked at
// its start.

#ifndef RCNN_TRAINING_CONFIG_CHECK_EXPERIMENT_H_
#define RCNN_TRAINING_CONFIG_CHECK_EXPERIMENT_H_

#include "absl/status/status.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// OK if every stage can be built: names, references to earlier stages of the right
// kind and dataset, values in range, the model parts that each stage needs, and a
// shared backbone of RPN and head for `evaluate`. Otherwise kInvalidArgument for
// the first error: "stage \"fast2\": field: what, and what to do".
absl::Status CheckExperiment(const configs::ExperimentConfig& config);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_CHECK_EXPERIMENT_H_
