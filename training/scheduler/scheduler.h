// Runs an experiment like a build system: skips stages that are up to date, runs the
// others in order, and resumes interrupted ones.
//
// Example:
//   RCNN_RETURN_IF_ERROR(RunExperiment({.config = config, .run_directory = "runs/cells"}));

#ifndef RCNN_TRAINING_SCHEDULER_SCHEDULER_H_
#define RCNN_TRAINING_SCHEDULER_SCHEDULER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/distributed/rank_group.h"

namespace rcnn::training {

struct SchedulerOptions {
  configs::ExperimentConfig config;
  // Folder that relative paths of datasets and pretrained weights start from.
  std::string data_root = {};
  // Created if missing; "": runs/<name of the experiment>.
  std::string run_directory = {};
  // Only print what would run and why.
  bool dry_run = false;
  // First check that every image can be opened, and run all stages for a few
  // iterations on a few images (rehearsal.h), unless that was done for these keys.
  bool rehearse = true;
  // Print errors only.
  bool quiet = false;
  // The ranks that run the experiment together, all with this call; null: this process alone.
  std::shared_ptr<RankGroup> ranks = nullptr;
  // For checks: waits for the device in an iteration are errors (TrainerOptions).
  bool forbid_waits = false;
};

// Prints a plan, progress, and finally a table and the paths of the results. Copies
// the results of the last `evaluate` stage to the top of the run directory.
//
// Errors that can be detected early are reported before the first stage starts:
// kInvalidArgument for an invalid config or data, kNotFound for missing files,
// kFailedPrecondition for a run directory in use or of another experiment.
// kCancelled after a shutdown request; the same call then resumes.
//
// Of several ranks, rank 0 decides, prints and writes; the others compute their shares of the
// stages that it names, and must see the run directory: kFailedPrecondition, on all ranks, if they
// do not, or if config or data of two ranks differ. An error of one rank is that of all, with its
// number.
absl::Status RunExperiment(const SchedulerOptions& options);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_SCHEDULER_H_
