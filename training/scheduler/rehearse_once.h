// Rehearses an experiment (rehearsal.h) unless an earlier call of the scheduler has rehearsed the
// same stages: their keys, and what was measured, are in rehearsed.txt (rehearsal_record.h).
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const SecondsPerUnit seconds, RehearseOnce(run, "runs/cells", plan));

#ifndef RCNN_TRAINING_SCHEDULER_REHEARSE_ONCE_H_
#define RCNN_TRAINING_SCHEDULER_REHEARSE_ONCE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/training/scheduler/rehearsal.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

struct RehearseOnceOptions {
  // False: only what an earlier rehearsal measured, nothing is rehearsed now.
  bool wanted = true;
  // Print nothing.
  bool quiet = false;
};

// The time per iteration or image of each stage of `plan`, that of `run`, from an earlier rehearsal
// or from one now; empty without either. One now first checks that every image can be opened
// (check_images.h), prints its progress, and is recorded. The errors of CheckImages, Rehearse,
// CheckMayWrite and run_record.h; after an error nothing is recorded.
absl::StatusOr<SecondsPerUnit> RehearseOnce(const ExperimentRun& run,
                                            const std::string& run_directory,
                                            const std::vector<PlannedStage>& plan,
                                            const RehearseOnceOptions& options = {});

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_REHEARSE_ONCE_H_
