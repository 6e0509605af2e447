#include "rcnn/training/stage_runner.h"

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/evaluate_stage.h"
#include "rcnn/training/proposal_stage.h"
#include "rcnn/training/stage_inputs.h"
#include "rcnn/training/stage_parts.h"
#include "rcnn/training/train_stage.h"

namespace rcnn::training {
namespace {

using configs::StageConfig;

configs::DatasetRole RoleOf(const StageConfig& stage) {
  switch (stage.work_case()) {
    case StageConfig::kGenerateProposals:
      return stage.generate_proposals().dataset();
    case StageConfig::kSelectiveSearch:
      return stage.selective_search().dataset();
    case StageConfig::kEvaluate:
      return stage.evaluate().dataset();
    default:
      return configs::TRAIN;
  }
}

absl::Status CheckBatch(const data::Dataset& dataset, const configs::TrainingConfig& training) {
  const int64_t wanted = training.batching().images_per_batch();
  if (wanted <= dataset.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("batching.images_per_batch is ", wanted,
                                                 ", but there are only ", dataset.size(),
                                                 " training pictures"));
}

}  // namespace

int64_t StageUnits(const ExperimentRun& run, const StageConfig& stage) {
  if (const configs::TrainingConfig* training = TrainingOf(stage)) {
    return training->solver().iterations();
  }
  const auto found = run.datasets.find(RoleOf(stage));
  const int64_t pictures = found == run.datasets.end() ? 0 : found->second->size();
  return stage.generate_proposals().on_mirrored_images() ? 2 * pictures : pictures;
}

absl::Status CheckStage(const ExperimentRun& run, const StageConfig& stage) {
  const std::string context = absl::StrCat("stage ", stage.name());
  RCNN_ASSIGN_OR_RETURN(const auto dataset, DatasetOf(run, RoleOf(stage)), context);
  if (const configs::TrainingConfig* training = TrainingOf(stage)) {
    RCNN_RETURN_IF_ERROR(CheckBatch(*dataset, *training), context);
    RCNN_RETURN_IF_ERROR(CheckObjects(*dataset), context);
    if (training->has_validation()) {
      RCNN_RETURN_IF_ERROR(DatasetOf(run, configs::VALIDATION).status(), context);
    }
  }
  for (const configs::InitConfig& init : stage.init()) {
    if (init.pretrained()) RCNN_RETURN_IF_ERROR(PretrainedPath(run).status(), context);
  }
  return absl::OkStatus();
}

absl::StatusOr<StageResult> RunStage(const ExperimentRun& run, const StageConfig& stage) {
  switch (stage.work_case()) {
    case StageConfig::kTrainRpn:
    case StageConfig::kTrainFastRcnn:
    case StageConfig::kTrainJoint:
      return RunTrainStage(run, stage);
    case StageConfig::kGenerateProposals:
      return RunProposalStage(run, stage);
    case StageConfig::kSelectiveSearch:
      return RunSelectiveSearchStage(run, stage);
    case StageConfig::kEvaluate:
      return RunEvaluateStage(run, stage);
    case StageConfig::WORK_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat("stage ", stage.name(), " has nothing to do"));
}

}  // namespace rcnn::training
