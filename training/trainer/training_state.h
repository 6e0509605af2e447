// The state of a training between two updates: all that a checkpoint holds except the best weights
// and the log, and that ranks other than 0 get from rank 0.
//
//   Checkpoint::model     weights and buffers
//   Checkpoint::solver    moments; averaged weights
//   Checkpoint::facts     sums since the last line of the log, the best value and its iteration,
//                         whether a validation is due
//
// Example:
//   TrainingState state(model, config);
//   RCNN_RETURN_IF_ERROR(state.MakeSolver());
//   if (checkpoint.has_value()) RCNN_RETURN_IF_ERROR(state.Restore(*checkpoint));

#ifndef RCNN_TRAINING_TRAINER_TRAINING_STATE_H_
#define RCNN_TRAINING_TRAINER_TRAINING_STATE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/trainer/checkpoint.h"
#include "rcnn/training/trainer/running_means.h"
#include "rcnn/training/trainer/solver.h"
#include "rcnn/training/trainer/weight_average.h"

namespace rcnn::training {

class TrainingState {
 public:
  // Of the parameters of `model` that are trained now.
  TrainingState(std::shared_ptr<detection::FasterRcnn> model,
                const configs::TrainingConfig& training);

  // Call it before the functions below. Errors of Solver::Create.
  absl::Status MakeSolver();

  const std::vector<TrainedParameter>& parameters() const { return parameters_; }
  Solver& solver() { return *solver_; }
  WeightAverage& average() { return average_; }
  RunningMeans& means() { return means_; }

  // The weights in the form in which they are saved; a copy, as they keep changing.
  detection::weights::StateDict Weights() const;

  // What a checkpoint holds of this; its tensors are those of the training itself.
  Checkpoint Save();

  // Errors if the checkpoint does not fit the network or the solver.
  absl::Status Restore(const Checkpoint& checkpoint);

  // A collective: gives the other ranks the state of rank 0. Errors of RankGroup.
  absl::Status Share(RankGroup& ranks);

  int64_t done = 0;                  // iterations
  std::optional<double> best_value;  // of the validations
  int64_t best_iteration = 0;
  bool validation_due = false;  // still to do after an interruption

 private:
  // The state of solver and average.
  detection::weights::StateDict SolverState() const;
  absl::Status RestoreSolver(const detection::weights::StateDict& state);
  std::map<std::string, std::string> MakeFacts();
  absl::Status RestoreFacts(const std::map<std::string, std::string>& facts);

  const std::shared_ptr<detection::FasterRcnn> model_;
  const configs::SolverConfig config_;
  const bool scales_loss_;
  const std::vector<TrainedParameter> parameters_;
  WeightAverage average_;
  std::optional<Solver> solver_;
  RunningMeans means_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_TRAINING_STATE_H_
