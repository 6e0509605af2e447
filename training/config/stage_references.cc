#include "rcnn/training/config/stage_references.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "rcnn/base/nearest_names.h"

namespace rcnn::training {
namespace {

using configs::ExperimentConfig;
using configs::StageConfig;

absl::string_view Description(StageProduct product) {
  switch (product) {
    case StageProduct::kWeights:
      return "training stage";
    case StageProduct::kRpn:
      return "stage that trains an RPN (train_rpn, train_joint)";
    case StageProduct::kHead:
      return "stage that trains a head (train_fast_rcnn, train_joint)";
    case StageProduct::kProposals:
      return "stage that makes proposals (generate_proposals, selective_search)";
  }
  return "";
}

std::string WhatWouldDo(const ExperimentConfig& config, int index, const std::string& name,
                        StageProduct product) {
  std::vector<std::string> names;
  for (int i = 0; i < index; ++i) {
    if (Provides(config.stages(i), product)) names.push_back(config.stages(i).name());
  }
  if (names.empty()) return absl::StrCat("; no ", Description(product), " comes before it");
  return absl::StrCat("; earlier ones are: ", NearestFirst(name, names));
}

std::string WhatItIs(const ExperimentConfig& config, int index, const std::string& name,
                     StageProduct product) {
  for (int i = 0; i < config.stages_size(); ++i) {
    if (config.stages(i).name() != name) continue;
    if (i == index) return "is this stage itself";
    if (i > index) return "comes later: stages run in the order of the file, so move one of them";
    return absl::StrCat("is not a ", Description(product));
  }
  return "does not exist";
}

}  // namespace

bool Provides(const StageConfig& stage, StageProduct product) {
  const bool joint = stage.has_train_joint();
  switch (product) {
    case StageProduct::kWeights:
      return joint || stage.has_train_rpn() || stage.has_train_fast_rcnn();
    case StageProduct::kRpn:
      return joint || stage.has_train_rpn();
    case StageProduct::kHead:
      return joint || stage.has_train_fast_rcnn();
    case StageProduct::kProposals:
      return stage.has_generate_proposals() || stage.has_selective_search();
  }
  return false;
}

absl::StatusOr<const StageConfig*> FindEarlierStage(const ExperimentConfig& config, int index,
                                                    absl::string_view field,
                                                    const std::string& name, StageProduct product) {
  for (int i = 0; i < index; ++i) {
    const StageConfig& stage = config.stages(i);
    if (stage.name() == name && Provides(stage, product)) return &stage;
  }
  const std::string rest = WhatWouldDo(config, index, name, product);
  if (name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": is missing; name a ", Description(product), rest));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": \"", name, "\" ", WhatItIs(config, index, name, product), rest));
}

configs::DatasetRole ProposalsRole(const StageConfig& stage) {
  return stage.has_selective_search() ? stage.selective_search().dataset()
                                      : stage.generate_proposals().dataset();
}

}  // namespace rcnn::training
