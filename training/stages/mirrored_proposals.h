// Trains on proposals found on the mirrored images, as in the MATLAB release of
// Faster R-CNN, instead of on mirrored boxes.

#ifndef RCNN_TRAINING_STAGES_MIRRORED_PROPOSALS_H_
#define RCNN_TRAINING_STAGES_MIRRORED_PROPOSALS_H_

#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/training/stages/experiment_run.h"
#include "rcnn/training/trainer/losses.h"

namespace rcnn::training {

// Wraps the `losses` of a train_fast_rcnn stage so that mirrored images of a batch use
// the proposals stored for them. Returns `losses` itself if the stage that it reads
// stored none. Errors: those of the proposal file.
absl::StatusOr<LossFunction> WithMirroredProposals(const ExperimentRun& run,
                                                   const configs::StageConfig& stage,
                                                   const data::Dataset& dataset,
                                                   LossFunction losses);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_MIRRORED_PROPOSALS_H_
