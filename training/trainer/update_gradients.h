// The gradients of one update: of this process's batches, and their sum over all ranks.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const UpdateReport report,
//                         gradients.Compute(solver, loader, done, is_due));
//   if (!report.status.ok()) gradients.Restore();

#ifndef RCNN_TRAINING_TRAINER_UPDATE_GRADIENTS_H_
#define RCNN_TRAINING_TRAINER_UPDATE_GRADIENTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/data/loader/loader.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/trainer/batch_upload.h"
#include "rcnn/training/trainer/gradient_buckets.h"
#include "rcnn/training/trainer/losses.h"
#include "rcnn/training/trainer/non_finite_flag.h"
#include "rcnn/training/trainer/proposal_exchange.h"
#include "rcnn/training/trainer/running_means.h"
#include "rcnn/training/trainer/shared_statistics.h"
#include "rcnn/training/trainer/solver.h"
#include "rcnn/training/trainer/update_errors.h"
#include "rcnn/training/trainer/update_report.h"
#include "rcnn/training/trainer/update_share.h"

namespace rcnn::training {

struct UpdateOptions {
  std::string stage;
  uint64_t seed = 0;
  int batches = 1;  // of an update, of all ranks
  // As in TrainerOptions.
  std::shared_ptr<RankGroup> ranks = nullptr;
  std::shared_ptr<ProposalExchange> exchange = nullptr;
  bool exchanges_in_step = false;
  std::function<bool()> free_memory = nullptr;
};

class UpdateGradients {
 public:
  // `parameters` are the trained ones of `model`. Keeps the references.
  UpdateGradients(const UpdateOptions& options, const detection::FasterRcnn& model,
                  const std::vector<TrainedParameter>& parameters, LossFunction losses,
                  const UpdateErrors& errors, RunningMeans& means);

  const UpdateShare& share() const { return share_; }

  // Adds up the gradients of the update after `done` updates: of all ranks' batches, the next ones
  // of their loaders, with the loss scale of `solver`. A collective of the ranks. Returns the
  // report of all, whose status is the error because of which the update cannot be made;
  // `wants_checkpoint` of rank 0 is in it. Of one process alone the losses are added to the means.
  // Errors are those of the connection between the ranks.
  absl::StatusOr<UpdateReport> Compute(const Solver& solver, data::Loader& loader, int64_t done,
                                       bool wants_checkpoint);

  // After an update that cannot be made: several ranks get the running statistics of their batch
  // norms back.
  void Restore();

  // "iteration 12 on the images a, b"
  std::string Where() const;

  // Whether all values of a device were finite so far, for Solver::Update: a bool scalar there,
  // undefined if there were none.
  at::Tensor AllFinite() const { return flag_.IsClear(); }

  // Notes whether the gradients of the update that was just made were finite (UpdateInfo::finite).
  void NoteUpdate(const UpdateInfo& update);

  // The error of values that were not finite on a device, if there were any, naming the first such
  // iteration and its images. Waits for the device.
  absl::Status CheckFinite();

 private:
  bool IsAlone() const { return options_.ranks == nullptr; }
  absl::Status Diverged(absl::string_view what) const { return errors_.Diverged(Where(), what); }

  // Adds up the gradients of this process's batches.
  UpdateReport ComputeOwn(const Solver& solver, data::Loader& loader);
  // Adds up those of all ranks, and returns the report of all.
  absl::StatusOr<UpdateReport> SumOverRanks(UpdateReport mine);
  absl::Status OthersCanStep(const absl::Status& loaded, UpdateReport& report);
  void AbandonExchange();
  absl::Status AddGradient(const Solver& solver, const data::Batch& batch, int64_t number,
                           UpdateReport& report);
  // ComputeGradient with exceptions as errors.
  absl::Status TryGradient(const Solver& solver, const data::Batch& batch, int64_t number,
                           UpdateReport& report);
  // Whether the batch can be computed once more after this error: memory had run out, and some has
  // been freed. Not after other batches of the update, to whose gradients a backward pass that
  // failed may have added a part of its own.
  bool CanTryAgain(const std::exception& error, bool is_first) const;
  void ClearGradients();
  // The loss and its backward pass; what is known of it is added to `report`.
  absl::Status ComputeGradient(const Solver& solver, const data::Batch& batch, int64_t number,
                               UpdateReport& report);
  // Checks and returns the loss; NaN if it is read with the log.
  absl::StatusOr<double> ReadLoss(const StepLosses& step);

  const UpdateOptions options_;
  const UpdateShare share_;
  const LossFunction losses_;
  const std::vector<TrainedParameter>& parameters_;
  const UpdateErrors& errors_;
  RunningMeans& means_;
  BatchUpload upload_;
  std::optional<GradientBuckets> buckets_;  // of several ranks
  SharedStatistics statistics_;             // of several ranks
  NonFiniteFlag flag_;
  int64_t done_ = 0;    // iterations
  std::string images_;  // of the batches of this update, for messages
  // The same of each iteration since the flag was last read.
  std::map<int64_t, std::string> unread_images_;
  absl::Status lost_ranks_;  // the error of the connection between the ranks
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_UPDATE_GRADIENTS_H_
