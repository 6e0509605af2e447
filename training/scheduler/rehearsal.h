// All stages of an experiment, for some iterations on a few images, before the
// first real one begins: nothing then fails first after two days.
//
// What a stage will take is measured on the way, without the first iterations, which are
// slow. The first checkpoint is read again, and training goes on from it, unless that
// would take long.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(Rehearsal rehearsal, Rehearse(run, "runs/cells/rehearsal"));

#ifndef RCNN_TRAINING_SCHEDULER_REHEARSAL_H_
#define RCNN_TRAINING_SCHEDULER_REHEARSAL_H_

#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// By stage name, what an iteration or an image took.
using SecondsPerUnit = std::map<std::string, double>;

// Runs every stage of `run` inside of `directory`, which is created, and deleted in
// the end. Errors name the stage; nothing else is changed. `begin`, unless it is null, is
// called with the name of each stage as it begins.
absl::StatusOr<SecondsPerUnit> Rehearse(
    const ExperimentRun& run, const std::string& directory,
    const std::function<void(const std::string& stage)>& begin = nullptr);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_REHEARSAL_H_
