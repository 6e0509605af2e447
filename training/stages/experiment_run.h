// The data shared by the stages of an experiment, and the result of each stage.

#ifndef RCNN_TRAINING_STAGES_EXPERIMENT_RUN_H_
#define RCNN_TRAINING_STAGES_EXPERIMENT_RUN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/training/trainer/feature_cache.h"

namespace rcnn::training {

struct ExperimentRun {
  configs::ExperimentConfig config;  // has passed CheckExperiment
  // By role; VALIDATION exists whenever TEST does.
  std::map<configs::DatasetRole, std::shared_ptr<const data::Dataset>> datasets;
  // Folder that a relative path of `config.pretrained` starts from.
  std::string data_root;
  // By stage name: the directory of its results, and its key.
  std::map<std::string, std::string> directories;
  std::map<std::string, std::string> keys;
  // Directory of TensorBoard's files.
  std::string events_directory;
  // Maps of the frozen convolutions, shared by the stages of one process.
  std::shared_ptr<FeatureCache> features = std::make_shared<FeatureCache>();
  // Called with the number of finished units (stage_runner.h: StageUnits), and with notices for
  // the user. Either may be null.
  std::function<void(int64_t done, const std::string& note)> progress;
  std::function<void(const std::string&)> notice;
};

struct StageResult {
  // Files that the stage wrote, relative to its directory.
  std::vector<std::string> outputs;
  // A table of numbers for the user; may be empty.
  std::string report;
  // The result in a few words, "AP 0.724"; may be empty.
  std::string summary = {};
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_EXPERIMENT_RUN_H_
