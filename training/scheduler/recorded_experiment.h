// The experiment that a run directory belongs to, in two copies.
//
//   experiment.textproto          every default written out: for people, and for --config
//   copies/experiment.textproto   the same, below a line with its checksum (base/experiment_copy.h)
//
// The second copy tells whether the first one is intact, and whose run it is if it is not. Runs of
// earlier versions have the first one only, whose name is then believed.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(RecordedExperiment recorded, ReadRecordedExperiment("runs/cells"));
//   if (recorded.config.has_value()) std::cout << recorded.config->name();

#ifndef RCNN_TRAINING_SCHEDULER_RECORDED_EXPERIMENT_H_
#define RCNN_TRAINING_SCHEDULER_RECORDED_EXPERIMENT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

inline constexpr char kExperimentFile[] = "experiment.textproto";

struct RecordedExperiment {
  // From the second copy if that is intact, else from the first one if that can be read, by any
  // version of the schema, and has a name. Not checked otherwise.
  absl::optional<configs::ExperimentConfig> config;
  bool is_sealed = false;    // config is from the second copy
  bool is_there = false;     // something is in the place of a copy
  std::string text;          // of experiment.textproto; empty if it cannot be read
  std::string problem;       // what is wrong with experiment.textproto; empty if nothing is known
  std::string copy_problem;  // what is wrong with the second copy; empty also if it is missing
};

// Damage is not an error here; other errors mean that a file is temporarily unreadable.
absl::StatusOr<RecordedExperiment> ReadRecordedExperiment(const std::string& run_directory);

// Writes those copies that have not this text already: that of ExperimentText. What else is in
// their place makes way (MakeWayForFile).
absl::Status WriteRecordedExperiment(const std::string& run_directory, const std::string& text);

// The path of the second copy.
std::string ExperimentCopyPath(const std::string& run_directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_RECORDED_EXPERIMENT_H_
