#include "rcnn/training/testing/tiny_run.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/config/check_experiment.h"
#include "rcnn/training/config/experiment.h"
#include "rcnn/training/scheduler/open_experiment.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_runner.h"

namespace rcnn::training {
namespace {

using detection::weights::StateDict;

constexpr char kTiny[] = R"(
  name: "tiny" seed: 5
  data {
    train { shapes { seed: 1 num_images: 8 num_classes: 2 width_px: 64 height_px: 48
                     min_diameter_px: 16 max_diameter_px: 32 max_objects: 2 } }
    test { shapes { seed: 2 num_images: 3 num_classes: 2 width_px: 64 height_px: 48
                    min_diameter_px: 16 max_diameter_px: 32 max_objects: 2 } }
    transform { flip: AT_RANDOM }
  }
  model {
    backbone { tiny { channels: 8 } }
    rpn { anchors { size_px: [16, 32] aspect_ratio: 1 } channels: 16
          test_proposals { before_nms: 50 after_nms: 10 } }
    head { fc { fc_channels: [16, 16] } targets { rois_per_image: 16 } }
    normalization { mean: [127.5, 127.5, 127.5] std: [64, 64, 64] }
  }
  stages {
    name: "rpn1"
    train_rpn { training { solver { adamw {} learning_rate: 0.01 iterations: 3 }
                           batching { images_per_batch: 2 } } }
  }
  stages { name: "proposals1" generate_proposals { rpn: "rpn1" } }
  stages {
    name: "fast1"
    train_fast_rcnn { proposals: "proposals1"
                      training { solver { adamw {} learning_rate: 0.01 iterations: 3 }
                                 batching { images_per_batch: 2 } } }
    init { stage: "rpn1" part: "backbone" }
  }
  stages {
    name: "rpn2"
    train_rpn { training { solver { adamw {} learning_rate: 0.01 iterations: 3 }
                           batching { images_per_batch: 2 } } }
    init { stage: "fast1" part: "backbone" } freeze: "backbone"
  }
  stages { name: "proposals2" generate_proposals { rpn: "rpn2" } }
  stages {
    name: "fast2"
    train_fast_rcnn { proposals: "proposals2"
                      training { solver { adamw {} learning_rate: 0.01 iterations: 3 }
                                 batching { images_per_batch: 2 } } }
    init { stage: "fast1" part: ["backbone", "head.fc6", "head.fc7"] } freeze: "backbone"
  }
  stages { name: "final" evaluate { rpn: "rpn2" detector: "fast2" } }
  resources { log_every: 1 loader { workers: 1 } })";

bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() &&
         (a.nbytes() == 0 ||  // its pointer may be null
          std::memcmp(a.contiguous().data_ptr(), b.contiguous().data_ptr(), a.nbytes()) == 0);
}

}  // namespace

configs::ExperimentConfig TinyExperiment(const std::vector<std::string>& overrides) {
  const auto config = ParseExperiment(kTiny, "tiny", {.overrides = overrides});
  EXPECT_THAT(config, IsOk());
  return config.ok() ? *config : configs::ExperimentConfig();
}

ExperimentRun OpenTinyRun(const configs::ExperimentConfig& config, const std::string& directory) {
  EXPECT_EQ(CheckExperiment(config), absl::OkStatus());
  absl::StatusOr<ExperimentRun> run = OpenExperiment(config, "");
  EXPECT_THAT(run, IsOk());
  if (!run.ok()) return {};
  for (const configs::StageConfig& stage : config.stages()) {
    run->directories[stage.name()] = absl::StrCat(directory, "/", stage.name());
    run->keys[stage.name()] = absl::StrCat("key of ", stage.name());
    std::filesystem::create_directories(run->directories[stage.name()]);
  }
  run->events_directory = directory;
  return *std::move(run);
}

absl::Status RunStages(const ExperimentRun& run, const std::string& last) {
  for (const configs::StageConfig& stage : run.config.stages()) {
    const absl::Status status = RunStage(run, stage).status();
    if (!status.ok() || stage.name() == last) return status;
  }
  return absl::OkStatus();
}

StateDict Weights(const ExperimentRun& run, const std::string& stage) {
  absl::StatusOr<StateDict> weights = StageWeights(run, stage);
  EXPECT_THAT(weights, IsOk());
  return weights.ok() ? *std::move(weights) : StateDict();
}

std::vector<std::string> Differences(const StateDict& a, const StateDict& b) {
  std::vector<std::string> names;
  for (const StateDict::Entry& entry : a) {
    const at::Tensor* other = b.Find(entry.name);
    if (other == nullptr || !SameBits(entry.tensor, *other)) names.push_back(entry.name);
  }
  for (const StateDict::Entry& entry : b) {
    if (a.Find(entry.name) == nullptr) names.push_back(entry.name);
  }
  return names;
}

}  // namespace rcnn::training
