// By what a stage is recognised, and whether it has to run.
//
// A stage's key is a hash over everything that can change its result: its own
// part of the config, the parts of the model, data and transform that it uses, the
// fingerprints of its datasets, the seed where it draws at random, the keys of the
// stages that it reads, and the version of the code's formats. What cannot change
// its result is left out, so that an edit reruns no more than what it touches; and
// so is what is as by default, so that finished stages stay finished when a later
// version of the schema has more to choose from. Pure functions: the disk is of
// run_directory.h.
//
// Example:
//   for (const PlannedStage& stage : PlanStages(config, inputs)) {
//     RCNN_ASSIGN_OR_RETURN(StageStatus status, directory.ReadStatus(stage));
//     StageDecision decision = Decide(stage, status);
//   }

#ifndef RCNN_TRAINING_SCHEDULER_STAGE_PLAN_H_
#define RCNN_TRAINING_SCHEDULER_STAGE_PLAN_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/config/message_fields.h"

namespace rcnn::training {

// What the keys need to know of the world outside the config.
struct PlanInputs {
  // By configs::DatasetRole; VALIDATION where the experiment has such a dataset
  // of its own, else that of TEST is taken.
  std::map<int, std::string> fingerprints;
  // Of the contents of ExperimentConfig.pretrained.file; empty without one.
  std::string pretrained_digest;
};

struct PlannedStage {
  int number = 0;  // from 1
  std::string name;
  std::string key;                 // 32 hexadecimal digits: the hash of `parts`
  std::string directory;           // "stages/1_rpn1", inside the run directory
  std::vector<std::string> reads;  // names of the stages whose results it reads, in their order
  FieldMap parts;                  // what the key is the hash of
  FieldMap defaults;               // what parts mean that are not there
};

// `config` has passed CheckExperiment.
std::vector<PlannedStage> PlanStages(const configs::ExperimentConfig& config,
                                     const PlanInputs& inputs);

// The text of key.txt: "key: <hex>" and one line per part.
std::string KeyText(const PlannedStage& stage);

// A key.txt that was read back.
struct RecordedKey {
  std::string key;
  FieldMap parts;
};

// kDataLoss if the text is none that KeyText gives.
absl::StatusOr<RecordedKey> ParseKeyText(absl::string_view text);

// What lies on the disk for a stage.
struct StageStatus {
  // The stage has been begun: it has a key.txt.
  bool begun = false;
  // It has been finished and its files are as they were then.
  bool done = false;
  RecordedKey recorded;
  // The newest complete checkpoint, if it is unfinished and has one.
  absl::optional<int64_t> checkpoint;
  // Set when something is not as it was left: "model.safetensors has 12 bytes, but …".
  std::string complaint;
};

struct StageDecision {
  enum Action {
    kSkip,    // done
    kResume,  // begun with the same key: goes on from its last checkpoint, if any
    kRun,     // from the start
  };
  Action action = kRun;
  std::string reason;  // for people, "changed: solver.learning_rate 0.001 -> 0.0005"
};

StageDecision Decide(const PlannedStage& stage, const StageStatus& status);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_STAGE_PLAN_H_
