#include "rcnn/training/stages/training_graphs.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/stages/stage_device.h"
#include "rcnn/training/stages/trained_batch_norm.h"
#include "rcnn/training/trainer/frozen_features.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::TrainingNetwork;

absl::Status NoGraphs(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("resources.training_graphs: ", why));
}

absl::Status CheckModelAndRanks(const FasterRcnn& model, int ranks) {
  if (ranks > 1) {
    return NoGraphs(absl::StrCat(
        "not for ", ranks, " processes that train together; set it to 0, or use one process"));
  }
  if (model.has_branches()) {
    return NoGraphs(absl::StrCat("not for a model with branches, such as model.branch ",
                                 model.config().branch(0).name(), "; set it to 0"));
  }
  const std::optional<TrainedBatchNorm> norm = FindTrainedBatchNorm(model);
  if (!norm.has_value()) return absl::OkStatus();
  return NoGraphs(absl::StrCat("not for batch norms that are trained, such as ", norm->name,
                               "; set it to 0, or use frozen_batch_norm or group_norm for ",
                               norm->field));
}

}  // namespace

absl::StatusOr<std::shared_ptr<TrainingNetwork>> MakeTrainingNetwork(
    const ExperimentRun& run, const std::shared_ptr<FasterRcnn>& model) {
  const int graphs = run.config.resources().training_graphs();
  if (graphs == 0 || HasFrozenFeatures(*model)) return std::shared_ptr<TrainingNetwork>();
  RCNN_RETURN_IF_ERROR(CheckModelAndRanks(*model, run.ranks == nullptr ? 1 : run.ranks->size()));
  RCNN_RETURN_IF_ERROR(CheckTrainingGraphs(run.config.resources(), run.device));
  return std::make_shared<TrainingNetwork>(model, graphs);
}

}  // namespace rcnn::training
