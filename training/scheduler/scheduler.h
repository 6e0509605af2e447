// Runs an experiment as a build system would: what is finished and up to date is
// skipped, the rest runs in order, each stage from where an interruption left it.
//
// Example:
//   RCNN_RETURN_IF_ERROR(RunExperiment({.config = config, .run_directory = "runs/cells"}));

#ifndef RCNN_TRAINING_SCHEDULER_SCHEDULER_H_
#define RCNN_TRAINING_SCHEDULER_SCHEDULER_H_

#include <string>

#include "absl/status/status.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

struct SchedulerOptions {
  configs::ExperimentConfig config;
  // Where relative paths of datasets and of pretrained weights start.
  std::string data_root = {};
  // Is created; "": runs/<name of the experiment>.
  std::string run_directory = {};
  // Prints what would run, and why, and changes nothing.
  bool dry_run = false;
  // Runs all stages for two iterations on a few images first (rehearsal.h), unless
  // that has been done for these keys.
  bool rehearse = true;
  // Prints errors only.
  bool quiet = false;
};

// Prints a plan, progress, and in the end a table and the paths of the results, and
// leaves the results of the last `evaluate` stage at the top of the run directory.
//
// Everything that can be known to be wrong is said before the first stage begins:
// kInvalidArgument for a config or data that do not fit, kNotFound for files that
// are not there, kFailedPrecondition for a run directory in use or of another
// experiment. kCancelled after a shutdown request, when the same call goes on later.
absl::Status RunExperiment(const SchedulerOptions& options);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_SCHEDULER_H_
