#include "rcnn/training/check_experiment.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"

namespace rcnn::training {

absl::Status CheckExperiment(const configs::ExperimentConfig& config) {
  std::set<std::string> names;
  if (config.stages_size() == 0) {
    return absl::InvalidArgumentError("stages: there are none; add at least one");
  }
  for (const configs::StageConfig& stage : config.stages()) {
    if (stage.name().empty() || !names.insert(stage.name()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("stage \"", stage.name(), "\": each needs a name of its own"));
    }
    if (stage.work_case() == configs::StageConfig::WORK_NOT_SET) {
      return absl::InvalidArgumentError(
          absl::StrCat("stage \"", stage.name(), "\": says not what it does; add train_rpn, …"));
    }
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
