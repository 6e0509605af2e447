#include "rcnn/training/testing/trainer_run.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/shapes/shapes_dataset.h"
#include "rcnn/detection/layers.h"

namespace rcnn::training::testing {

using detection::FasterRcnn;
using detection::weights::StateDict;
using Json = nlohmann::ordered_json;

std::shared_ptr<const data::Dataset> Shapes(int64_t count) {
  auto config = configs::ParseTextOrDie<configs::ShapesConfig>(
      "seed: 1 num_classes: 2 width_px: 64 height_px: 48 min_diameter_px: 16 max_diameter_px: 32 "
      "max_objects: 2");
  config.set_num_images(count);
  return data::ShapesDataset::Create(config).value();
}

std::shared_ptr<FasterRcnn> Model() {
  auto model =
      FasterRcnn::Create(configs::ParseTextOrDie<configs::ModelConfig>(
                             "backbone { tiny { channels: 8 } }"
                             "rpn { anchors { size_px: [16, 32] aspect_ratio: 1 } channels: 16"
                             "      train_proposals { before_nms: 50 after_nms: 10 } }"
                             "head { fc { fc_channels: [16] } targets { rois_per_image: 16 } }"),
                         2)
          .value();
  detection::ResetParameters(*model, MakeGenerator({7, "trainer_test", 0, "weights"}));
  model->train();
  return model;
}

std::string WithLossScale() { return std::string(kTraining) + " precision: FLOAT16"; }

absl::StatusOr<NamedNumbers> Measure(const StateDict& state) {
  if (ShutdownRequested()) return absl::CancelledError("stopped");
  const double weight = state.Find("head.fc6.weight")->flatten()[0].item<double>();
  return NamedNumbers{{"ap", std::cos(1e4 * weight)}, {"weight", weight}};
}

LossFunction ReadWithLog(const std::shared_ptr<FasterRcnn>& model) {
  return [losses = MakeJointLoss(model)](const data::Batch& batch, const at::Generator& generator) {
    StepLosses step = losses(batch, generator);
    step.read_with_log = true;
    return step;
  };
}

absl::StatusOr<StateDict> Train(const RunSetup& setup) {
  TrainerOptions options;
  options.stage = "joint";
  options.seed = 4;
  options.training = configs::ParseTextOrDie<configs::TrainingConfig>(setup.training);
  options.resources.set_checkpoint_iterations(setup.checkpoint_iterations);
  options.resources.set_log_every(setup.log_every);
  options.directory = options.events_directory = setup.directory;
  options.key = "key";
  if (options.training.has_validation()) options.validate = setup.validate;
  options.progress = [&](int64_t done, const std::string&) {
    if (done == setup.stop_at) RequestShutdown(15);
  };
  options.notice = [&](const std::string& text) {
    if (setup.notices != nullptr) setup.notices->push_back(text);
  };
  options.may_write = setup.may_write;
  options.forbid_waits = setup.forbid_waits;
  data::LoaderOptions loader;
  loader.batches.transform.set_flip(configs::TransformConfig::AT_RANDOM);
  loader.batches.batching = options.training.batching();
  loader.batches.seed = options.seed;
  loader.batches.stage = options.stage;
  // Images are read one after the other, every time.
  loader.resources.set_workers(0);
  Trainer trainer(options, setup.model, setup.losses(setup.model));
  auto weights = trainer.Run(setup.dataset, loader);
  ResetShutdownForTesting();
  return weights;
}

std::vector<std::string> Metrics(const std::string& directory) {
  std::vector<std::string> lines;
  std::ifstream file(directory + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    Json json = Json::parse(line);
    for (const char* name : {"time", "images_per_second", "data_wait"}) json.erase(name);
    lines.push_back(json.dump());
  }
  return lines;
}

std::vector<std::map<std::string, double>> MetricNumbers(const std::string& directory) {
  std::vector<std::map<std::string, double>> lines;
  for (const std::string& line : Metrics(directory)) {
    const Json json = Json::parse(line);
    lines.emplace_back();
    for (const auto& [name, value] : json.items()) {
      if (value.is_number()) lines.back()[name] = value.get<double>();
    }
  }
  return lines;
}

}  // namespace rcnn::training::testing
