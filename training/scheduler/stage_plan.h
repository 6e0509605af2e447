// The keys of stages, and whether a stage has to run.
//
// A stage's key is a hash over everything that can change its result: its own part
// of the config, the parts of the model, data and transform that it uses, the
// fingerprints of its datasets, the seed if it draws random numbers, the keys of
// the stages that it reads, and the version of the code's formats. What cannot
// change the result is left out, so that an edit reruns only what it affects.
// Default values are left out too, so that finished stages stay finished when a
// later version of the schema has more fields. Pure functions; run_directory.h
// accesses the disk.
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

// The inputs of keys that are not in the config.
struct PlanInputs {
  // By configs::DatasetRole; VALIDATION only if the experiment has separate
  // validation data, otherwise TEST is used.
  std::map<int, std::string> fingerprints;
  // Digest of the contents of ExperimentConfig.pretrained.file; empty without a
  // file.
  std::string pretrained_digest;
};

struct PlannedStage {
  int number = 0;  // from 1
  std::string name;
  std::string key;                 // 32 hexadecimal digits: the hash of `parts`
  std::string directory;           // "stages/1_rpn1", inside the run directory
  std::vector<std::string> reads;  // names of the stages whose results it reads, in order
  FieldMap parts;                  // the hashed parts
  FieldMap defaults;               // values of parts that are absent
};

// `config` has passed CheckExperiment.
std::vector<PlannedStage> PlanStages(const configs::ExperimentConfig& config,
                                     const PlanInputs& inputs);

// The text of key.txt: "key: <hex>" and one line per part.
std::string KeyText(const PlannedStage& stage);

// A parsed key.txt.
struct RecordedKey {
  std::string key;
  FieldMap parts;
};

// kDataLoss if the text does not come from KeyText, or has more lines than 10,000 and one for each
// 16 bytes.
absl::StatusOr<RecordedKey> ParseKeyText(absl::string_view text);

// The state of a stage on disk.
struct StageStatus {
  // The stage has started: it has a key.txt.
  bool begun = false;
  // It is finished, and its files are unchanged since then or can be repaired. With another
  // key than the planned one, only the first is known.
  bool done = false;
  // It is done, and RunDirectory::Repair has work to do.
  bool needs_repair = false;
  RecordedKey recorded;
  // The newest checkpoint of an unfinished stage, by its name, if any; not yet checked.
  absl::optional<int64_t> checkpoint;
  // Set if a file, the record or key.txt is damaged and has no intact copy.
  std::string problem;
  // StageFiles::Notices() of a finished stage.
  std::vector<std::string> notices;
};

struct StageDecision {
  enum Action {
    kSkip,    // done
    kResume,  // started with the same key: resumes from its last checkpoint, if any
    kRun,     // from the start
  };
  Action action = kRun;
  std::string reason;  // for the user: "changed: solver.learning_rate 0.001 -> 0.0005"
};

StageDecision Decide(const PlannedStage& stage, const StageStatus& status);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_STAGE_PLAN_H_
