#include "rcnn/training/plan/plan_experiment.h"

#include "absl/status/status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/config/bundled_config.h"
#include "rcnn/training/config/experiment.h"

namespace rcnn::training {
namespace {

constexpr char kRecipe[] = "bccd_resnet18_alternating";

}  // namespace

absl::StatusOr<configs::ExperimentConfig> PlanExperiment(const std::string& name,
                                                         const data::FolderSplit& split) {
  RCNN_ASSIGN_OR_RETURN(const std::string path, FindConfig(kRecipe));
  RCNN_ASSIGN_OR_RETURN(configs::ExperimentConfig config, LoadExperiment(path));
  config.set_name(name);
  configs::ExperimentData& data = *config.mutable_data();
  data.clear_train();
  data.clear_test();
  data.clear_validation();
  for (const data::OpenedPart& part : split.parts) {
    configs::DatasetConfig& target = part.name == "train" ? *data.mutable_train()
                                     : part.name == "val" ? *data.mutable_validation()
                                                          : *data.mutable_test();
    target = part.config;
  }
  if (data.has_train()) return config;
  return absl::InvalidArgumentError("no images to train on");
}

}  // namespace rcnn::training
