#include "rcnn/training/trainer/best_weights.h"

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/detection/weights/weights_file.h"

namespace rcnn::training {

BestWeights::BestWeights(absl::string_view directory)
    : path_(absl::StrCat(directory, "/", kBestWeightsFile)) {}

absl::Status BestWeights::Save(const detection::weights::StateDict& weights) {
  RCNN_RETURN_IF_ERROR(detection::weights::SaveStateDict(weights, path_));
  RCNN_ASSIGN_OR_RETURN(digest_, ComputeFileDigest(path_));
  return absl::OkStatus();
}

absl::StatusOr<detection::weights::StateDict> BestWeights::Load() const {
  const absl::Status status = CheckStoredFile(path_, digest_);
  if (status.ok()) return detection::weights::LoadStateDict(path_);
  if (!IsDamage(status)) return status;
  return absl::DataLossError(
      absl::StrCat(status.message(), "; the same command resumes from an earlier checkpoint"));
}

void BestWeights::AddTo(Checkpoint& checkpoint) const {
  checkpoint.best_weights = path_;
  checkpoint.best_digest = digest_;
}

absl::Status BestWeights::Restore(const Checkpoint& checkpoint) {
  if (checkpoint.best_weights.empty()) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(LinkOrCopy(checkpoint.best_weights, path_));
  digest_ = checkpoint.best_digest;
  return absl::OkStatus();
}

}  // namespace rcnn::training
