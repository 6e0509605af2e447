// Opens the datasets of an experiment and checks that they match it and each other.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(ExperimentRun run, OpenExperiment(config, data_root));

#ifndef RCNN_TRAINING_SCHEDULER_OPEN_EXPERIMENT_H_
#define RCNN_TRAINING_SCHEDULER_OPEN_EXPERIMENT_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// Returns a run without directories and keys. kInvalidArgument for datasets that are
// empty, have different classes, or lack what a stage needs (CheckStage);
// the errors of ChooseDevice (stage_device.h) for the device, and of data::MakeDataset, with
// --data_root named for a missing file.
absl::StatusOr<ExperimentRun> OpenExperiment(const configs::ExperimentConfig& config,
                                             const std::string& data_root);

// The inputs of the stages' keys: fingerprints, and a digest of the pretrained
// weights' contents. Errors: those of PretrainedPath and of reading the file.
absl::StatusOr<PlanInputs> MakePlanInputs(const ExperimentRun& run);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_OPEN_EXPERIMENT_H_
