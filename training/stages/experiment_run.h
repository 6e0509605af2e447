// What the stages of an experiment share, and what each leaves.

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

// What the stages of an experiment share.
struct ExperimentRun {
  configs::ExperimentConfig config;  // has passed CheckExperiment
  // By role; VALIDATION is always there where TEST is.
  std::map<configs::DatasetRole, std::shared_ptr<const data::Dataset>> datasets;
  // Where a relative path of `config.pretrained` starts.
  std::string data_root;
  // By stage name: where its results are, and its key.
  std::map<std::string, std::string> directories;
  std::map<std::string, std::string> keys;
  // Of TensorBoard's files.
  std::string events_directory;
  // Maps of the frozen convolutions, for the stages of one process.
  std::shared_ptr<FeatureCache> features = std::make_shared<FeatureCache>();
  // Called with the units done of StageUnits; and with what people should know.
  std::function<void(int64_t done, const std::string& note)> progress;
  std::function<void(const std::string&)> notice;
};

struct StageResult {
  // Files that the stage leaves, relative to its directory.
  std::vector<std::string> outputs;
  // For people, may be empty: a table of numbers.
  std::string report;
  // The same in a few words, may be empty: "AP 0.724".
  std::string summary = {};
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_EXPERIMENT_RUN_H_
