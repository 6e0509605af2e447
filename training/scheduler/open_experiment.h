// Opens the datasets of an experiment and checks that they fit it and each other.
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

// A run without directories and keys. kInvalidArgument for datasets of different
// classes, or that lack what a stage needs (CheckStage); those of data::MakeDataset.
absl::StatusOr<ExperimentRun> OpenExperiment(const configs::ExperimentConfig& config,
                                             const std::string& data_root);

// What the stages' keys need to know: fingerprints, and a digest of the contents of
// the pretrained weights.
absl::StatusOr<PlanInputs> MakePlanInputs(const ExperimentRun& run);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_OPEN_EXPERIMENT_H_
