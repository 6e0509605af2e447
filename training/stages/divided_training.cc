#include "rcnn/training/stages/divided_training.h"

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "rcnn/detection/module_parts.h"

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

}  // namespace

absl::Status CheckDividedTraining(const detection::FasterRcnn& model, bool has_parts) {
  if (!has_parts) return absl::OkStatus();
  constexpr char kWholeBatches[] =
      "set solver.batches_per_update to the number of processes or more, or use fewer processes";
  const std::string norm = TrainedBatchNorm(model);
  if (!norm.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        NormField(norm), ": batch_norm, of which ", norm, " is trained here, needs whole batches; ",
        kWholeBatches, "; or use frozen_batch_norm or group_norm"));
  }
  if (model.config().branch_size() > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("model.branch: ", model.config().branch(0).name(), " needs whole batches; ",
                     kWholeBatches));
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
