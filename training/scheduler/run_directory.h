// The directory of a run: its lock, and which of its stages are finished.
//
//   experiment.textproto    the experiment, every default written out (recorded_experiment.h)
//   copies/                 its second copy
//   LOCK                    held by the one scheduler that is running (run_lock.h)
//   stages/<n>_<name>/      key.txt from the beginning, DONE at the end (stage_files.h)
//   stages/<n>_<name>.previous/, .unfinished/   see Begin
//
// A finished stage counts as done only if all its files match their checksums. A file that
// cannot be read at present (EACCES, EIO, ESTALE, ENOMEM) is neither missing nor damaged:
// every function here then returns the error and changes nothing.
//
// A stage's directory belongs to the scheduler: other files in it are deleted when
// the stage runs again. Outside these directories this class deletes only temporary
// files of killed writes (".tmp-<process>-<n>").
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(RunDirectory run, RunDirectory::Open("runs/cells", config));
//   RCNN_RETURN_IF_ERROR(run.Arrange(plan));
//   RCNN_RETURN_IF_ERROR(run.Begin(stage));
//   RCNN_ASSIGN_OR_RETURN(const std::string path, run.StagePath(stage));
//   RCNN_RETURN_IF_ERROR(WriteFileAtomically(path + "/model.safetensors", weights).status());
//   RCNN_RETURN_IF_ERROR(run.Finish(stage, {"model.safetensors"}));

#ifndef RCNN_TRAINING_SCHEDULER_RUN_DIRECTORY_H_
#define RCNN_TRAINING_SCHEDULER_RUN_DIRECTORY_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/scheduler/run_lock.h"
#include "rcnn/training/scheduler/stage_files.h"
#include "rcnn/training/scheduler/stage_plan.h"

namespace rcnn::training {

class RunDirectory {
 public:
  // Creates the directory if missing, makes its name durable, takes its lock, and writes
  // experiment.textproto and its second copy. The lock is held until destruction.
  // kFailedPrecondition, saying what to do, if another scheduler holds the lock, if the
  // directory belongs to another experiment, if it has files but is not a run directory, or if a
  // stage's directory is a link, which is never followed (`path` and stages/ may be links);
  // kDataLoss if nobody can tell which experiment it belongs to (CheckRunOwner, which `plan` is
  // for); also the errors of base/file_io.h. Errors leave everything unchanged.
  static absl::StatusOr<RunDirectory> Open(const std::string& path,
                                           const configs::ExperimentConfig& config,
                                           const std::vector<PlannedStage>& plan = {});

  // Opens it for reading: takes no lock and changes nothing, and the directory need
  // not exist. The same errors, except for the lock.
  static absl::StatusOr<RunDirectory> OpenReadOnly(const std::string& path,
                                                   const configs::ExperimentConfig& config,
                                                   const std::vector<PlannedStage>& plan = {});

  const std::string& path() const { return path_; }

  // A sentence for each damage of experiment.textproto and its second copy that was found when it
  // was opened.
  const std::vector<std::string>& notices() const { return notices_; }

  // Where the stage's files are or will be: path()/stage.directory, unless Arrange
  // has not moved them there yet.
  absl::StatusOr<std::string> StagePath(const PlannedStage& stage) const;

  // Renames directories of stages whose number changed, restores kept results
  // (finished or not) whose key is planned again, and deletes the remains of a
  // killed Finish.
  absl::Status Arrange(const std::vector<PlannedStage>& plan);

  // Reads the status of a stage. If it is finished with the planned key, all its files are
  // read and compared with their checksums. `notices` lists damaged files. If one of them
  // has no intact copy, the stage is not done, and `problem` says why.
  absl::StatusOr<StageStatus> ReadStatus(const PlannedStage& stage) const;

  // Call it if the status needs repair: replaces damaged files with intact copies and
  // records missing checksums.
  absl::Status Repair(const PlannedStage& stage);

  // Call it before a stage writes anything, after all checks. With the same key
  // existing files stay, to be resumed. With another key a finished result
  // (".previous", repaired if that is possible) and an unfinished one with checkpoints
  // (".unfinished") are kept until Finish, one of each, so that a mistaken edit can be undone.
  // kFailedPrecondition if the directory has files that no stage wrote.
  absl::Status Begin(const PlannedStage& stage);

  // Marks a stage as done: `outputs` are its files, relative to its directory.
  // kNotFound if one is missing. DONE is written last and atomically; then the
  // stage's checkpoints and the results kept aside (".previous", ".unfinished") are
  // deleted. `processes` ran it together.
  absl::Status Finish(const PlannedStage& stage, const std::vector<std::string>& outputs,
                      int processes = 1);

  // OK if this process may still write. Call it before anything in the directory is written,
  // replaced or deleted; Repair, Begin and Finish do. kFailedPrecondition if the directory is open
  // for reading only, or is not the one that was opened, or if another scheduler has its LOCK.
  absl::Status CheckLock();

 private:
  RunDirectory(std::string path, absl::optional<RunLock> lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  absl::Status ReadFinished(const std::string& directory, StageStatus& status) const;
  std::string path_;
  absl::optional<RunLock> lock_;  // none: read only
  std::vector<std::string> notices_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_RUN_DIRECTORY_H_
