// The data shared by the stages of an experiment, and the result of each stage.

#ifndef RCNN_TRAINING_STAGES_EXPERIMENT_RUN_H_
#define RCNN_TRAINING_STAGES_EXPERIMENT_RUN_H_

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/trainer/feature_cache.h"

namespace rcnn::training {

struct ExperimentRun {
  configs::ExperimentConfig config;  // has passed CheckExperiment
  // Where networks run: that of config.resources, which this process can use.
  c10::Device device = c10::Device(c10::DeviceType::CPU);
  // By role; VALIDATION exists whenever TEST does.
  std::map<configs::DatasetRole, std::shared_ptr<const data::Dataset>> datasets;
  // Folder that a relative path of `config.pretrained` starts from.
  std::string data_root;
  // Of the pretrained weights that the keys of the stages have (PretrainedDigestText,
  // stage_inputs.h); empty without weights, and where there are no keys.
  std::string pretrained_digest = {};
  // By stage name: the directory of its results, and its key.
  std::map<std::string, std::string> directories;
  std::map<std::string, std::string> keys;
  // Directory of TensorBoard's files.
  std::string events_directory;
  // Maps of the frozen convolutions, shared by the stages of one process.
  std::shared_ptr<FeatureCache> features = std::make_shared<FeatureCache>();
  // Called when the work of a stage begins, with the number of units (stage_runner.h: StageUnits)
  // that earlier runs have finished; when units are finished, with their number so far; and with
  // notices for the user. Each may be null. A stage of two passes calls `started` for both.
  std::function<void(int64_t done)> started;
  std::function<void(int64_t done, const std::string& note)> progress;
  std::function<void(const std::string&)> notice;
  // Called before files in these directories are written, replaced or deleted. An error, which ends
  // the stage, if another scheduler may be working in them by now. Null: nothing to ask.
  std::function<absl::Status()> may_write = nullptr;
  // The ranks that run the experiment together; null: this process alone. All run the same stages
  // at the same time, and read the directories of the others; rank 0 alone writes.
  std::shared_ptr<RankGroup> ranks = nullptr;
  // As in TrainerOptions.
  bool forbid_waits = false;
};

// Whether this process writes the results.
inline bool IsFirstRank(const ExperimentRun& run) {
  return run.ranks == nullptr || run.ranks->rank() == 0;
}

// What `may_write` says.
inline absl::Status CheckMayWrite(const ExperimentRun& run) {
  return run.may_write ? run.may_write() : absl::OkStatus();
}

struct StageResult {
  // Files that the stage wrote, relative to its directory; none on ranks other than 0.
  std::vector<std::string> outputs;
  // A table of numbers for the user; may be empty.
  std::string report;
  // The result in a few words, "AP 0.724"; may be empty.
  std::string summary = {};
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_EXPERIMENT_RUN_H_
