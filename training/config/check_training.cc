#include "rcnn/training/config/check_training.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/check_range.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/loader/sample_transform.h"
#include "rcnn/training/config/check_bounds.h"
#include "rcnn/training/config/stage_parts.h"
#include "rcnn/training/config/stage_references.h"
#include "rcnn/training/trainer/learning_rate.h"

namespace rcnn::training {
namespace {

using configs::ExperimentConfig;
using configs::StageConfig;
using configs::TrainingConfig;
using configs::ValidationConfig;

absl::Status Invalid(absl::string_view message) { return absl::InvalidArgumentError(message); }

// The parts of the network that a stage builds, as the first words of its weights' names.
std::vector<std::string> TrainedParts(const ExperimentConfig& config, const StageConfig& stage) {
  std::vector<std::string> parts = {"backbone"};
  if (config.model().has_fpn()) parts.push_back("fpn");
  if (Provides(stage, StageProduct::kRpn)) parts.push_back("rpn");
  if (Provides(stage, StageProduct::kHead)) parts.push_back("head");
  return parts;
}

absl::Status CheckPart(const std::string& part, const std::vector<std::string>& parts,
                       absl::string_view field, absl::string_view whose) {
  if (absl::c_linear_search(parts, part.substr(0, part.find('.'))) && part.back() != '.') {
    return absl::OkStatus();
  }
  return Invalid(absl::StrCat(field, ": \"", part, "\" is not a part of ", whose, ", which has ",
                              absl::StrJoin(parts, ", "), " and their parts"));
}

// PER_CLASS is measured on stored proposals.
absl::Status CheckBoxNormalization(const ExperimentConfig& config, const StageConfig& stage) {
  const auto kind = config.model().head().targets().box_normalization();
  if (!stage.has_train_joint() || kind != configs::HeadTargetsConfig::PER_CLASS) {
    return absl::OkStatus();
  }
  return Invalid(
      "model.head.targets.box_normalization: PER_CLASS is measured on stored proposals, "
      "and train_joint has none; use FIXED with box_mean and box_std, or NONE");
}

absl::Status CheckModel(const ExperimentConfig& config, const StageConfig& stage) {
  if (Provides(stage, StageProduct::kRpn) && !config.model().has_rpn()) {
    return Invalid("model.rpn: is missing, but this stage trains it; add rpn {} to model");
  }
  if (Provides(stage, StageProduct::kHead) && !config.model().has_head()) {
    return Invalid("model.head: is missing, but this stage trains it; add head {} to model");
  }
  return CheckBoxNormalization(config, stage);
}

absl::Status CheckInit(const ExperimentConfig& config, int index, const configs::InitConfig& init,
                       const std::string& field) {
  const StageConfig& stage = config.stages(index);
  const std::vector<std::string> own = TrainedParts(config, stage);
  for (const std::string& part : init.part()) {
    RCNN_RETURN_IF_ERROR(CheckPart(part, own, field + ".part", "this stage's network"));
  }
  if (init.has_stage()) {
    RCNN_ASSIGN_OR_RETURN(
        const StageConfig* const source,
        FindEarlierStage(config, index, field + ".stage", init.stage(), StageProduct::kWeights));
    const std::string whose = absl::StrCat("what \"", source->name(), "\" trains");
    for (const std::string& part : init.part()) {
      RCNN_RETURN_IF_ERROR(CheckPart(part, TrainedParts(config, *source), field + ".part", whose));
    }
    return absl::OkStatus();
  }
  if (!init.pretrained()) {
    return Invalid(absl::StrCat(
        field, ": has no source; set pretrained: true or stage: \"...\", or remove it"));
  }
  if (!config.pretrained().file().empty()) return absl::OkStatus();
  return Invalid(absl::StrCat(field, ".pretrained: the experiment has no pretrained { file }; ",
                              "name a weights file there, or remove this to start from "
                              "random weights"));
}

absl::Status CheckFreeze(const ExperimentConfig& config, const StageConfig& stage) {
  std::vector<std::string> parts = TrainedParts(config, stage);
  for (const std::string& part : stage.freeze()) {
    RCNN_RETURN_IF_ERROR(CheckPart(part, parts, "freeze", "this stage's network"));
  }
  const bool all = absl::c_all_of(
      parts, [&](const std::string& part) { return absl::c_linear_search(stage.freeze(), part); });
  return all ? Invalid("freeze: everything is frozen, so there is nothing to train")
             : absl::OkStatus();
}

bool IsRecall(ValidationConfig::Metric metric) {
  return metric == ValidationConfig::AR_100 || metric == ValidationConfig::AR_300 ||
         metric == ValidationConfig::RECALL50_300;
}

absl::Status CheckMetric(const StageConfig& stage, const ValidationConfig& validation) {
  if (!validation.has_metric()) return absl::OkStatus();
  const std::string name = ValidationConfig::Metric_Name(validation.metric());
  if (stage.has_train_rpn() && !IsRecall(validation.metric())) {
    return Invalid(absl::StrCat("training.validation.metric: ", name, " measures detections, but ",
                                "this stage has only proposals; use AR_100, AR_300 or "
                                "RECALL50_300"));
  }
  if (!stage.has_train_rpn() && IsRecall(validation.metric())) {
    return Invalid(absl::StrCat("training.validation.metric: ", name, " measures proposals, but ",
                                "this stage trains a detector; use AP, AP50, AP75 or VOC07"));
  }
  return absl::OkStatus();
}

absl::Status CheckValidationProposals(const ExperimentConfig& config, int index,
                                      const ValidationConfig& validation) {
  const std::string field = "training.validation.proposals";
  if (!config.stages(index).has_train_fast_rcnn()) {
    return validation.has_proposals()
               ? Invalid(absl::StrCat(field, ": this stage has an RPN that proposes; remove it"))
               : absl::OkStatus();
  }
  if (validation.max_images() > 0) {
    return Invalid(
        "training.validation.max_images: stored proposals cover all images; "
        "remove it, or make the validation data smaller");
  }
  RCNN_ASSIGN_OR_RETURN(
      const StageConfig* const source,
      FindEarlierStage(config, index, field, validation.proposals(), StageProduct::kProposals));
  const configs::DatasetRole role = ResolvedRole(config, ProposalsRole(*source));
  const configs::DatasetRole wanted = ResolvedRole(config, configs::VALIDATION);
  if (role == wanted) return absl::OkStatus();
  return Invalid(absl::StrCat(field, ": \"", source->name(), "\" is for the ",
                              configs::DatasetRole_Name(role),
                              " images; validation needs one "
                              "with dataset: ",
                              configs::DatasetRole_Name(wanted)));
}

absl::Status CheckValidation(const ExperimentConfig& config, int index,
                             const ValidationConfig& validation) {
  RCNN_RETURN_IF_ERROR(
      CheckAtLeast("training.validation.every", static_cast<double>(validation.every()), 1));
  if (validation.patience() < 0) {
    return Invalid(absl::StrCat("training.validation.patience: is ", validation.patience(),
                                "; must be 0 (never) or more"));
  }
  if (validation.max_images() < 0) {
    return Invalid(absl::StrCat("training.validation.max_images: is ", validation.max_images(),
                                "; must be 0 (all) or more"));
  }
  if (!config.data().has_validation() && !config.data().has_test()) {
    return Invalid(
        "training.validation: no data to measure on; add data { validation } or data { test }, "
        "or remove it");
  }
  RCNN_RETURN_IF_ERROR(CheckMetric(config.stages(index), validation));
  return CheckValidationProposals(config, index, validation);
}

absl::Status CheckSettings(const ExperimentConfig& config, int index,
                           const TrainingConfig& training) {
  if (!training.has_solver()) {
    return Invalid(
        "training.solver: is missing; add solver { sgd {} or adamw {}, learning_rate "
        "and iterations }");
  }
  RCNN_RETURN_IF_ERROR(CheckSolverConfig(training.solver()), "training");
  RCNN_RETURN_IF_ERROR(CheckAtLeast("training.batching.images_per_batch",
                                    training.batching().images_per_batch(), 1));
  RCNN_RETURN_IF_ERROR(CheckRange("training.batching.repeat_classes_below",
                                  training.batching().repeat_classes_below(), 0, 1));
  RCNN_RETURN_IF_ERROR(
      CheckAtLeast("training.batching.shuffle_blocks", training.batching().shuffle_blocks(), 0));
  RCNN_RETURN_IF_ERROR(
      CheckAtLeast("training.batching.mixed_blocks", training.batching().mixed_blocks(), 1));
  if (!(training.average_decay() >= 0 && training.average_decay() < 1)) {
    return Invalid(absl::StrCat("training.average_decay: is ", training.average_decay(),
                                "; must be in [0, 1)"));
  }
  if (training.has_transform()) {
    RCNN_RETURN_IF_ERROR(data::CheckTransformConfig(training.transform()), "training.transform");
  }
  if (!training.has_validation()) return absl::OkStatus();
  return CheckValidation(config, index, training.validation());
}

absl::Status CheckProposals(const ExperimentConfig& config, int index,
                            const configs::TrainFastRcnnConfig& work) {
  RCNN_ASSIGN_OR_RETURN(
      const StageConfig* const source,
      FindEarlierStage(config, index, "proposals", work.proposals(), StageProduct::kProposals));
  if (ProposalsRole(*source) != configs::TRAIN) {
    return Invalid(absl::StrCat("proposals: \"", source->name(), "\" is for the ",
                                configs::DatasetRole_Name(ProposalsRole(*source)),
                                " images; training needs one with dataset: TRAIN"));
  }
  const configs::TransformConfig& transform =
      work.training().has_transform() ? work.training().transform() : config.data().transform();
  if (transform.flip_vertically() && source->generate_proposals().on_mirrored_images()) {
    return Invalid(absl::StrCat("transform.flip_vertically: \"", source->name(),
                                "\" has proposals for images mirrored from left to right "
                                "(on_mirrored_images), but none for upside-down images"));
  }
  if (work.max_proposals() >= 0) return absl::OkStatus();
  return Invalid(
      absl::StrCat("max_proposals: is ", work.max_proposals(), "; must be 0 (all) or more"));
}

}  // namespace

absl::Status CheckTrainingStage(const ExperimentConfig& config, int index) {
  const StageConfig& stage = config.stages(index);
  RCNN_RETURN_IF_ERROR(CheckModel(config, stage));
  if (stage.has_train_fast_rcnn()) {
    RCNN_RETURN_IF_ERROR(CheckProposals(config, index, stage.train_fast_rcnn()));
  }
  RCNN_RETURN_IF_ERROR(CheckSettings(config, index, *FindTraining(stage)));
  for (int i = 0; i < stage.init_size(); ++i) {
    RCNN_RETURN_IF_ERROR(CheckInit(config, index, stage.init(i), absl::StrCat("init[", i, "]")));
  }
  return CheckFreeze(config, stage);
}

}  // namespace rcnn::training
