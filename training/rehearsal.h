// All stages of an experiment, for two iterations on a few pictures, before the
// first real one begins: nothing then fails first after two days.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(Rehearsal rehearsal, Rehearse(run, "runs/cells/rehearsal"));

#ifndef RCNN_TRAINING_REHEARSAL_H_
#define RCNN_TRAINING_REHEARSAL_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/training/experiment_run.h"

namespace rcnn::training {

// By stage name, what an iteration or a picture took.
using SecondsPerUnit = std::map<std::string, double>;

// Runs every stage of `run` inside of `directory`, which is created, and deleted in
// the end. Errors name the stage; nothing else is changed.
absl::StatusOr<SecondsPerUnit> Rehearse(const ExperimentRun& run, const std::string& directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_REHEARSAL_H_
