#include "rcnn/training/stages/stage_runner.h"

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/cuda_float32_scope.h"
#include "rcnn/base/determinism_scope.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/config/stage_parts.h"
#include "rcnn/training/stages/evaluate_stage.h"
#include "rcnn/training/stages/proposal_stage.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_model.h"
#include "rcnn/training/stages/train_stage.h"

namespace rcnn::training {
namespace {

using configs::StageConfig;

configs::DatasetRole StageRole(const StageConfig& stage) {
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

// Checks that there is something to learn, and enough images for one batch.
absl::Status CheckImages(const data::Dataset& dataset, const StageConfig& stage) {
  const bool only_those = stage.train_rpn().leave_out_empty_images();
  const int64_t wanted = FindTraining(stage)->batching().images_per_batch();
  const auto with_objects =
      static_cast<int64_t>(ImagesWithObjects(dataset, only_those ? wanted : 1).size());
  if (with_objects == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("none of the training images, ", dataset.size(),
                     " in all, has an object to learn from; check them with "
                     "./bazelw run //data:inspect"));
  }
  const int64_t there = only_those ? with_objects : dataset.size();
  if (wanted <= there) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "batching.images_per_batch is ", wanted, ", but there ", Noun(there, "is", "are"), " only ",
      Counted(there, "training image"), only_those ? " with objects" : ""));
}

// Only training can do without it, where a config says so.
bool IsDeterministic(const StageConfig& stage) {
  const configs::TrainingConfig* training = FindTraining(stage);
  return training == nullptr || training->deterministic();
}

absl::StatusOr<StageResult> Run(const ExperimentRun& run, const StageConfig& stage) {
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
      run.features->Clear();  // an evaluation takes memory of its own
      return RunEvaluateStage(run, stage);
    case StageConfig::WORK_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat("stage ", stage.name(), " has nothing to do"));
}

}  // namespace

int64_t StageUnits(const ExperimentRun& run, const StageConfig& stage) {
  if (const configs::TrainingConfig* training = FindTraining(stage)) {
    return training->solver().iterations();
  }
  const auto found = run.datasets.find(StageRole(stage));
  const int64_t images = found == run.datasets.end() ? 0 : found->second->size();
  return stage.generate_proposals().on_mirrored_images() ? 2 * images : images;
}

const char* StageUnit(const StageConfig& stage) {
  return FindTraining(stage) == nullptr ? "image" : "iteration";
}

absl::Status CheckStage(const ExperimentRun& run, const StageConfig& stage) {
  const std::string context = absl::StrCat("stage ", stage.name());
  RCNN_ASSIGN_OR_RETURN(const auto dataset, FindDataset(run, StageRole(stage)), context);
  if (const configs::TrainingConfig* training = FindTraining(stage)) {
    RCNN_RETURN_IF_ERROR(CheckImages(*dataset, stage), context);
    RCNN_RETURN_IF_ERROR(CheckStageNetwork(run.config, stage, dataset->classes().size()));
    if (training->has_validation()) {
      RCNN_RETURN_IF_ERROR(FindDataset(run, configs::VALIDATION).status(), context);
    }
  }
  for (const configs::InitConfig& init : stage.init()) {
    if (init.pretrained()) RCNN_RETURN_IF_ERROR(PretrainedPath(run).status(), context);
  }
  return absl::OkStatus();
}

absl::StatusOr<StageResult> RunStage(const ExperimentRun& run, const StageConfig& stage) {
  const bool deterministic = IsDeterministic(stage);
  if (run.device.is_cuda() && deterministic) RCNN_RETURN_IF_ERROR(CheckCublasWorkspace());
  const DeterminismScope scope(run.device.type(), deterministic);
  const CudaFloat32Scope strict(/*allow_tf32=*/false);
  return CatchExceptions([&] { return Run(run, stage); });
}

}  // namespace rcnn::training
