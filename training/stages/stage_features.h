// Feature maps of frozen convolutions, shared by the stages of an experiment.
//
// Example:
//   const auto features = TrainingFeatures(run, transform, model);
//   LossFunction losses = MakeRpnLoss(model, features);

#ifndef RCNN_TRAINING_STAGES_STAGE_FEATURES_H_
#define RCNN_TRAINING_STAGES_STAGE_FEATURES_H_

#include <memory>

#include "rcnn/configs/experiment.pb.h"
#include "rcnn/configs/transform.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/training/stages/experiment_run.h"
#include "rcnn/training/trainer/frozen_features.h"

namespace rcnn::training {

// For a stage that trains one part on the training images, in `precision`. Null if the convolutions
// are trained too; the maps of earlier stages are then dropped, since no later stage can use them.
// Maps of another precision are not used, nor, on a GPU, those of a stage that was not
// `deterministic`, by others.
std::shared_ptr<FrozenFeatures> TrainingFeatures(
    const ExperimentRun& run, const configs::TransformConfig& transform,
    const std::shared_ptr<detection::FasterRcnn>& model,
    configs::TrainingConfig::Precision precision = configs::TrainingConfig::FLOAT32,
    bool deterministic = true);

// For a network that only proposes, which it does in float32. Null unless an earlier stage cached
// maps of the same convolutions and images. For images without random changes.
std::shared_ptr<FrozenFeatures> CachedFeatures(const ExperimentRun& run,
                                               const data::Dataset& dataset,
                                               const configs::TransformConfig& transform,
                                               const std::shared_ptr<detection::FasterRcnn>& model);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_STAGE_FEATURES_H_
