// Training on proposals that were found on the mirrored images themselves, as the
// MATLAB release of Faster R-CNN does, instead of on mirrored boxes.

#ifndef RCNN_TRAINING_STAGES_MIRRORED_PROPOSALS_H_
#define RCNN_TRAINING_STAGES_MIRRORED_PROPOSALS_H_

#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/training/stages/experiment_run.h"
#include "rcnn/training/trainer/losses.h"

namespace rcnn::training {

// Returns `losses`, of a train_fast_rcnn stage, with the stored proposals of mirror
// images put into each batch, where the stage that it reads has left such; else
// `losses` itself.
absl::StatusOr<ComputeLosses> WithMirroredProposals(const ExperimentRun& run,
                                                    const configs::StageConfig& stage,
                                                    const data::Dataset& dataset,
                                                    ComputeLosses losses);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_MIRRORED_PROPOSALS_H_
