// That every image of an experiment can be opened, before its first stage.
//
// Example: RCNN_RETURN_IF_ERROR(CheckImages(run, /*quiet=*/false));

#ifndef RCNN_TRAINING_SCHEDULER_CHECK_IMAGES_H_
#define RCNN_TRAINING_SCHEDULER_CHECK_IMAGES_H_

#include "absl/status/status.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// Looks at each file of the datasets (data/core/image_check.h), and prints how far it is
// unless `quiet`. kInvalidArgument, naming the first ones and what is wrong with each,
// if there are some that training would stop at; kCancelled after a shutdown request.
absl::Status CheckImages(const ExperimentRun& run, bool quiet);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_CHECK_IMAGES_H_
