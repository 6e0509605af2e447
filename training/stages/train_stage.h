// The training stages: RPN, Fast R-CNN, or both.
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 3.2.

#ifndef RCNN_TRAINING_STAGES_TRAIN_STAGE_H_
#define RCNN_TRAINING_STAGES_TRAIN_STAGE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// Runs a train_rpn, train_fast_rcnn or train_joint stage. See RunStage.
absl::StatusOr<StageResult> RunTrainStage(const ExperimentRun& run,
                                          const configs::StageConfig& stage);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_TRAIN_STAGE_H_
