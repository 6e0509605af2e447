// Runs one stage of an experiment, from wherever an interruption left it, and
// leaves its results in the stage's directory.
//
//   train_rpn, train_fast_rcnn, train_joint   model.safetensors  metrics.jsonl  checkpoint-*/
//   generate_proposals, selective_search      proposals.safetensors
//   evaluate                                  detections.json  metrics.json  contact_sheet.jpg
//                                             detector.textproto  model.safetensors
//
// Which stages run, and when, decides scheduler.h.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(StageResult result, RunStage(run, run.config.stages(2)));

#ifndef RCNN_TRAINING_STAGES_STAGE_RUNNER_H_
#define RCNN_TRAINING_STAGES_STAGE_RUNNER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// How much there is to do: iterations of a stage that trains, else images.
int64_t StageUnits(const ExperimentRun& run, const configs::StageConfig& stage);

// OK if the stage can begin as far as can be told without its inputs: there is a
// dataset for what it reads, a file to start from, and its network can be built.
// Errors name the stage.
absl::Status CheckStage(const ExperimentRun& run, const configs::StageConfig& stage);

// Runs the stage; those that it reads are done. The directory exists.
// kCancelled after a shutdown request: the next call goes on.
absl::StatusOr<StageResult> RunStage(const ExperimentRun& run, const configs::StageConfig& stage);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_STAGE_RUNNER_H_
