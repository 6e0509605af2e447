// Runs all stages of an experiment for a few iterations on a few images before the
// first real stage, so that errors do not appear only after days.
//
// It also measures the time of each stage, without the slow first iterations. Training
// resumes once from its first checkpoint, unless that would take long.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(SecondsPerUnit seconds, Rehearse(run, "runs/cells/rehearsal"));

#ifndef RCNN_TRAINING_SCHEDULER_REHEARSAL_H_
#define RCNN_TRAINING_SCHEDULER_REHEARSAL_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// Time per iteration or image, by stage name.
using SecondsPerUnit = std::map<std::string, double>;

struct RehearsalOptions {
  // Of each dataset; more where two batches need them.
  int64_t images = 4;
  // True: images from the whole dataset, so that their sizes are those of all. False: the
  // first ones.
  bool spread = false;
  // A training stage whose second iteration takes longer is not measured further, in
  // seconds.
  double patience = 2;
  // What the measurement of a training stage may take after that, in seconds.
  double measured = std::numeric_limits<double>::infinity();
};

// Runs every stage of `run` in `directory`, which is created and finally deleted. Errors
// name the stage; nothing else is changed. `begin`, unless null, is called with the name
// of each stage when it starts.
absl::StatusOr<SecondsPerUnit> Rehearse(
    const ExperimentRun& run, const std::string& directory,
    const std::function<void(const std::string& stage)>& begin = nullptr,
    const RehearsalOptions& options = {});

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_REHEARSAL_H_
