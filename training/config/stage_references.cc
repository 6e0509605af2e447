#include "rcnn/training/config/stage_references.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "rcnn/configs/textproto.h"

namespace rcnn::training {
namespace {

using configs::ExperimentConfig;
using configs::StageConfig;

absl::string_view Description(StageResult result) {
  switch (result) {
    case StageResult::kWeights:
      return "stage that trains";
    case StageResult::kRpn:
      return "stage that trains an RPN (train_rpn, train_joint)";
    case StageResult::kHead:
      return "stage that trains a head (train_fast_rcnn, train_joint)";
    case StageResult::kProposals:
      return "stage that leaves proposals (generate_proposals, selective_search)";
  }
  return "";
}

std::string WhatWouldDo(const ExperimentConfig& config, int index, const std::string& name,
                        StageResult result) {
  std::vector<std::string> names;
  for (int i = 0; i < index; ++i) {
    if (Leaves(config.stages(i), result)) names.push_back(config.stages(i).name());
  }
  if (names.empty()) return absl::StrCat("; no ", Description(result), " comes before it");
  return absl::StrCat("; before it there are: ", configs::NearestFirst(name, names));
}

std::string WhatItIs(const ExperimentConfig& config, int index, const std::string& name,
                     StageResult result) {
  for (int i = 0; i < config.stages_size(); ++i) {
    if (config.stages(i).name() != name) continue;
    if (i == index) return "is this stage itself";
    if (i > index) return "comes later: stages run in the order of the file, so move one of them";
    return absl::StrCat("is not a ", Description(result));
  }
  return "does not exist";
}

}  // namespace

bool Leaves(const StageConfig& stage, StageResult result) {
  const bool joint = stage.has_train_joint();
  switch (result) {
    case StageResult::kWeights:
      return joint || stage.has_train_rpn() || stage.has_train_fast_rcnn();
    case StageResult::kRpn:
      return joint || stage.has_train_rpn();
    case StageResult::kHead:
      return joint || stage.has_train_fast_rcnn();
    case StageResult::kProposals:
      return stage.has_generate_proposals() || stage.has_selective_search();
  }
  return false;
}

absl::StatusOr<const StageConfig*> FindEarlier(const ExperimentConfig& config, int index,
                                               absl::string_view field, const std::string& name,
                                               StageResult result) {
  for (int i = 0; i < index; ++i) {
    const StageConfig& stage = config.stages(i);
    if (stage.name() == name && Leaves(stage, result)) return &stage;
  }
  const std::string rest = WhatWouldDo(config, index, name, result);
  if (name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": is not given; name a ", Description(result), rest));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": \"", name, "\" ", WhatItIs(config, index, name, result), rest));
}

configs::DatasetRole ProposalsRole(const StageConfig& stage) {
  return stage.has_selective_search() ? stage.selective_search().dataset()
                                      : stage.generate_proposals().dataset();
}

}  // namespace rcnn::training
