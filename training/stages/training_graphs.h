// The network of a training stage as graphs, where resources.training_graphs asks for them.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const auto network, MakeTrainingNetwork(run, model));
//   const LossFunction losses = MakeJointLoss(model, Sampling::kOfDevice, network);

#ifndef RCNN_TRAINING_STAGES_TRAINING_GRAPHS_H_
#define RCNN_TRAINING_STAGES_TRAINING_GRAPHS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/training_network.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// Null if there are to be no graphs, or if backbone and pyramid are frozen, so that their maps are
// computed once (FrozenFeatures). `model` is on its device, and has been frozen as the stage says.
// kInvalidArgument, naming the field and what to do, if graphs are asked for and
//
//   several processes train together: they add up gradients while others are still computed
//   the model has a branch, which may use a map several times, and waits for the device
//   a batch norm is trained: recording a graph would change its statistics
//   this program has no graphs of the device (CheckTrainingGraphs in stage_device.h)
absl::StatusOr<std::shared_ptr<detection::TrainingNetwork>> MakeTrainingNetwork(
    const ExperimentRun& run, const std::shared_ptr<detection::FasterRcnn>& model);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_TRAINING_GRAPHS_H_
