#include "rcnn/training/stages/divided_training.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "rcnn/training/stages/trained_batch_norm.h"
#include "rcnn/training/trainer/update_share.h"

namespace rcnn::training {
namespace {

// Whether a batch may have fewer images than the ranks that share it.
bool MayLackImages(const configs::TrainingConfig& training, int ranks) {
  const configs::BatchingConfig& batching = training.batching();
  return batching.tail() == configs::BatchingConfig::KEEP_INCOMPLETE ||
         !RanksWithoutImages(ranks, training.solver().batches_per_update(),
                             batching.images_per_batch())
              .empty();
}

}  // namespace

absl::Status CheckDividedTraining(const detection::FasterRcnn& model,
                                  const configs::TrainingConfig& training, int ranks) {
  if (!HasParts(ranks, training.solver().batches_per_update())) return absl::OkStatus();
  const std::optional<TrainedBatchNorm> norm = FindTrainedBatchNorm(model);
  if (norm.has_value() && MayLackImages(training, ranks)) {
    return absl::InvalidArgumentError(absl::StrCat(
        norm->field, ": batch_norm, of which ", norm->name,
        " is trained here, needs an image for every process in every batch; use fewer processes, "
        "raise batching.images_per_batch or solver.batches_per_update, do not set batching.tail to "
        "KEEP_INCOMPLETE, or use frozen_batch_norm or group_norm"));
  }
  if (model.config().branch_size() > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("model.branch: ", model.config().branch(0).name(),
                     " needs whole batches; set solver.batches_per_update to the number of "
                     "processes or more, or use fewer processes"));
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
