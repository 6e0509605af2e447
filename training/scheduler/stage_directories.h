// The directories of a run that may have results of a stage: its own, and results of other keys
// that are kept aside.
//
//   stages/<n>_<name>              the stage's own, with any number until it is arranged
//   stages/<n>_<name>.previous     a finished result of another key
//   stages/<n>_<name>.unfinished   an unfinished one, with work in it
//   stages/<n>_<name>.back         a result that is being moved back
//   stages/<n>_<name>.removed      one that is being deleted
//
// run_directory.h decides what is done with them. All errors are those of base/stored_file.h, for
// files that are temporarily unreadable.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::string found, LocateStage("runs/cells", stage));
//   RCNN_ASSIGN_OR_RETURN(const bool is_of_plan, HasStageKey(found, stage.key));

#ifndef RCNN_TRAINING_SCHEDULER_STAGE_DIRECTORIES_H_
#define RCNN_TRAINING_SCHEDULER_STAGE_DIRECTORIES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/training/scheduler/stage_plan.h"

namespace rcnn::training {

inline constexpr char kStagesFolder[] = "stages";

// Whether the stage in `directory` has an intact key, and this one.
absl::StatusOr<bool> HasStageKey(const std::string& directory, const std::string& key);

// Finds the stage in the run directory: a finished result with its key, else an unfinished one with
// its key, else its own directory, which need not exist.
absl::StatusOr<std::string> LocateStage(const std::string& run, const PlannedStage& stage);

// Makes room for a run with another key, whose results will replace copies at the top of the run:
// keeps a finished result, and an unfinished one with work in it, under another name, after damaged
// files are repaired, and deletes others. What is not a directory is renamed (FreePathBeside).
absl::Status SetStageAside(const std::string& run, const std::string& directory);

// Moves results found elsewhere to the stage's own directory, and sets aside what is there.
absl::Status RestoreStage(const std::string& run, const std::string& found,
                          const std::string& planned);

// Deletes files that are no longer needed once a stage is done: checkpoints and ".previous".
absl::Status TidyStage(const std::string& directory, const std::string& key);

// Whether TidyStage has something to delete.
absl::StatusOr<bool> NeedsTidying(const std::string& directory);

// Deletes ".unfinished" of the directory.
absl::Status RemoveUnfinishedResult(const std::string& directory);

// Deletes what a killed process was deleting, in the folder of all stages.
absl::Status RemoveLeftovers(const std::string& stages);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_STAGE_DIRECTORIES_H_
