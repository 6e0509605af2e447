// The stage that detects on a dataset, evaluates and draws the detections, and
// writes the detector as a model directory.

#ifndef RCNN_TRAINING_STAGES_EVALUATE_STAGE_H_
#define RCNN_TRAINING_STAGES_EVALUATE_STAGE_H_

#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// Runs an `evaluate` stage. See RunStage. kFailedPrecondition, naming the tensor, if
// RPN and head do not share their backbone and the stage does not set `unshared`.
absl::StatusOr<StageResult> RunEvaluateStage(const ExperimentRun& run,
                                             const configs::StageConfig& stage);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_EVALUATE_STAGE_H_
