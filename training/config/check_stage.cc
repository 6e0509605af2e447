#include "rcnn/training/config/check_stage.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/selective_search/search_config.h"
#include "rcnn/detection/config_options.h"
#include "rcnn/training/config/check_bounds.h"
#include "rcnn/training/config/check_training.h"
#include "rcnn/training/config/shared_backbone.h"
#include "rcnn/training/config/stage_parts.h"
#include "rcnn/training/config/stage_references.h"

namespace rcnn::training {
namespace {

using configs::ExperimentConfig;
using configs::StageConfig;

absl::Status Invalid(absl::string_view message) { return absl::InvalidArgumentError(message); }

absl::Status CheckNotTraining(const StageConfig& stage) {
  if (stage.init_size() > 0) return Invalid("init: applies to training stages only; remove it");
  if (stage.freeze_size() > 0) {
    return Invalid("freeze: applies to training stages only; remove it");
  }
  return absl::OkStatus();
}

absl::Status CheckRole(const ExperimentConfig& config, configs::DatasetRole role) {
  const configs::DatasetRole resolved = ResolvedRole(config, role);
  const bool there = resolved == configs::TRAIN        ? config.data().has_train()
                     : resolved == configs::VALIDATION ? config.data().has_validation()
                                                       : config.data().has_test();
  if (there) return absl::OkStatus();
  return Invalid(absl::StrCat("dataset: is ", configs::DatasetRole_Name(role),
                              ", but the experiment has no such data; add data { test { ... } } "
                              "or choose another"));
}

absl::Status CheckGenerateProposals(const ExperimentConfig& config, int index) {
  const configs::GenerateProposalsConfig& work = config.stages(index).generate_proposals();
  RCNN_RETURN_IF_ERROR(
      FindEarlierStage(config, index, "rpn", work.rpn(), StageProduct::kRpn).status());
  RCNN_RETURN_IF_ERROR(CheckRole(config, work.dataset()));
  if (work.on_mirrored_images() && work.dataset() != configs::TRAIN) {
    return Invalid("on_mirrored_images: only training mirrors images; remove it");
  }
  return detection::CheckProposalsConfig(work.proposals(), "proposals");
}

absl::Status CheckSelectiveSearch(const ExperimentConfig& config, int index) {
  const configs::SelectiveSearchStageConfig& work = config.stages(index).selective_search();
  RCNN_RETURN_IF_ERROR(CheckRole(config, work.dataset()));
  return Annotate(data::CheckSelectiveSearchConfig(work.search()), "search");
}

// RPN and head must share a backbone unless the stage says otherwise.
absl::Status CheckShared(const ExperimentConfig& config, const configs::EvaluateConfig& work) {
  if (work.unshared()) return absl::OkStatus();
  const std::string of_rpn = BackboneOrigin(config, work.rpn());
  const std::string of_head = BackboneOrigin(config, work.detector());
  if (of_rpn == of_head) return absl::OkStatus();
  return Invalid(absl::StrCat("detector: \"", work.rpn(), "\" and \"", work.detector(),
                              "\" do not share a backbone: one comes from \"", of_rpn,
                              "\", the other from \"", of_head,
                              "\"; train both from one stage with freeze: \"backbone\"",
                              config.model().has_fpn() ? " and freeze: \"fpn\"" : "",
                              ", or set unshared: true to run both backbones"));
}

absl::Status CheckStoredProposals(const ExperimentConfig& config, int index,
                                  const configs::EvaluateConfig& work) {
  RCNN_ASSIGN_OR_RETURN(
      const StageConfig* const source,
      FindEarlierStage(config, index, "proposals", work.proposals(), StageProduct::kProposals));
  const configs::DatasetRole role = ResolvedRole(config, ProposalsRole(*source));
  const configs::DatasetRole wanted = ResolvedRole(config, work.dataset());
  if (role == wanted) return absl::OkStatus();
  return Invalid(absl::StrCat("proposals: \"", source->name(), "\" is for the ",
                              configs::DatasetRole_Name(role), " images, and this evaluates the ",
                              configs::DatasetRole_Name(wanted), " images"));
}

absl::Status CheckEvaluate(const ExperimentConfig& config, int index) {
  const configs::EvaluateConfig& work = config.stages(index).evaluate();
  RCNN_RETURN_IF_ERROR(
      FindEarlierStage(config, index, "detector", work.detector(), StageProduct::kHead).status());
  if (work.has_rpn() == work.has_proposals()) {
    return Invalid("rpn: set exactly one of rpn and proposals");
  }
  RCNN_RETURN_IF_ERROR(CheckRole(config, work.dataset()));
  RCNN_RETURN_IF_ERROR(CheckAtLeast("max_proposals", work.max_proposals(), 0));
  RCNN_RETURN_IF_ERROR(detection::CheckProposalsConfig(work.proposal_limits(), "proposal_limits"));
  RCNN_RETURN_IF_ERROR(detection::CheckDetectionsConfig(work.detections(), "detections"));
  if (work.has_proposals()) return CheckStoredProposals(config, index, work);
  RCNN_RETURN_IF_ERROR(
      FindEarlierStage(config, index, "rpn", work.rpn(), StageProduct::kRpn).status());
  return CheckShared(config, work);
}

}  // namespace

absl::Status CheckStage(const ExperimentConfig& config, int index) {
  const StageConfig& stage = config.stages(index);
  if (FindTraining(stage) != nullptr) return CheckTrainingStage(config, index);
  RCNN_RETURN_IF_ERROR(CheckNotTraining(stage));
  switch (stage.work_case()) {
    case StageConfig::kGenerateProposals:
      return CheckGenerateProposals(config, index);
    case StageConfig::kSelectiveSearch:
      return CheckSelectiveSearch(config, index);
    case StageConfig::kEvaluate:
      return CheckEvaluate(config, index);
    default:
      return Invalid(
          "does nothing; add one of train_rpn, generate_proposals, selective_search, "
          "train_fast_rcnn, train_joint, evaluate");
  }
}

}  // namespace rcnn::training
