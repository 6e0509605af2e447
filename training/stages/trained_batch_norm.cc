#include "rcnn/training/stages/trained_batch_norm.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "rcnn/detection/module_parts.h"

namespace rcnn::training {
namespace {

std::string FindField(absl::string_view name) {
  if (absl::StartsWith(name, "fpn.")) return "model.fpn.norm";
  if (absl::StartsWith(name, "head.conv")) return "model.head.fc.conv_norm";
  return "model.backbone.resnet.norm";
}

}  // namespace

std::optional<TrainedBatchNorm> FindTrainedBatchNorm(const detection::FasterRcnn& model) {
  std::set<std::string> trained;
  for (const auto& [name, value] : detection::TrainableParameters(model)) trained.insert(name);
  for (const auto& item : model.named_buffers()) {
    absl::string_view name = item.key();
    if (!item.value().defined() || !absl::ConsumeSuffix(&name, ".running_mean")) continue;
    if (trained.count(absl::StrCat(name, ".weight")) == 0) continue;
    return TrainedBatchNorm{std::string(name), FindField(name)};
  }
  return std::nullopt;
}

}  // namespace rcnn::training
