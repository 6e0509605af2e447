// Checks before the first stage that every image of an experiment can be opened.
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckImages(run, /*quiet=*/false));

#ifndef RCNN_TRAINING_SCHEDULER_CHECK_IMAGES_H_
#define RCNN_TRAINING_SCHEDULER_CHECK_IMAGES_H_

#include "absl/status/status.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// Checks each file of the datasets (data/core/image_check.h), and prints progress unless
// `quiet`. kInvalidArgument, naming the first bad images and their errors, if training
// would stop at any; kUnavailable or kPermissionDenied, naming those alone, if images cannot be
// read now and may be intact; kCancelled after a shutdown request.
absl::Status CheckImages(const ExperimentRun& run, bool quiet);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_CHECK_IMAGES_H_
