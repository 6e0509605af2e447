#include "rcnn/training/stages/divided_training.h"

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/training/trainer/update_share.h"

namespace rcnn::training {
namespace {

// The first batch norm that is trained, "backbone.bn1"; empty if there is none.
std::string TrainedBatchNorm(const detection::FasterRcnn& model) {
  std::set<std::string> trained;
  for (const auto& [name, value] : detection::TrainableParameters(model)) trained.insert(name);
  for (const auto& item : model.named_buffers()) {
    absl::string_view name = item.key();
    if (!item.value().defined() || !absl::ConsumeSuffix(&name, ".running_mean")) continue;
    if (trained.count(absl::StrCat(name, ".weight")) > 0) return std::string(name);
  }
  return "";
}

// The field that chooses the norms of a part.
std::string NormField(absl::string_view name) {
  if (absl::StartsWith(name, "fpn.")) return "model.fpn.norm";
  if (absl::StartsWith(name, "head.conv")) return "model.head.fc.conv_norm";
  return "model.backbone.resnet.norm";
}

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
  const std::string norm = TrainedBatchNorm(model);
  if (!norm.empty() && MayLackImages(training, ranks)) {
    return absl::InvalidArgumentError(absl::StrCat(
        NormField(norm), ": batch_norm, of which ", norm,
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
