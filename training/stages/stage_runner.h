// Runs one stage of an experiment, resuming after an interruption, and writes its
// results to the stage's directory.
//
//   train_rpn, train_fast_rcnn, train_joint   model.safetensors  metrics.jsonl  checkpoint-*/
//   generate_proposals                        proposals.safetensors  metrics.jsonl, and with
//                                             on_mirrored_images mirrored_proposals.safetensors
//   selective_search                          proposals.safetensors  metrics.jsonl
//   evaluate                                  detections.json  metrics.json  metrics.jsonl
//                                             contact_sheet.jpg  report.html, and if RPN and head
//                                             share a backbone detector.textproto and
//                                             model.safetensors
//
// scheduler.h decides which stages run, and when.
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

// Total units of work: iterations of a training stage, otherwise images.
int64_t StageUnits(const ExperimentRun& run, const configs::StageConfig& stage);

// What StageUnits counts, in the singular: "iteration" or "image".
const char* StageUnit(const configs::StageConfig& stage);

// OK if the stage can start, as far as can be told without its inputs: its datasets
// and initial weights exist, and its network can be built. Errors name the stage.
absl::Status CheckStage(const ExperimentRun& run, const configs::StageConfig& stage);

// Runs the stage. The stages that it reads must be done, and its directory must
// exist. kCancelled after a shutdown request; the next call resumes.
absl::StatusOr<StageResult> RunStage(const ExperimentRun& run, const configs::StageConfig& stage);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_STAGE_RUNNER_H_
