// The directory of a run: who may use it, and what of it is finished.
//
//   experiment.textproto    the experiment, every default written out
//   LOCK                    held (flock) by the one scheduler that is running
//   stages/<n>_<name>/      key.txt from the beginning, DONE at the end
//   stages/<n>_<name>.previous/, .unfinished/   see Begin
//
// A stage's directory belongs to the scheduler: what else is put there goes when
// the stage is run anew. Nothing outside of those directories is ever deleted.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(RunDirectory run, RunDirectory::Open("runs/cells", config));
//   RCNN_RETURN_IF_ERROR(run.Arrange(plan));
//   RCNN_RETURN_IF_ERROR(run.Begin(stage));
//   ... write run.StagePath(stage) + "/model.safetensors" ...
//   RCNN_RETURN_IF_ERROR(run.Finish(stage, {"model.safetensors"}));

#ifndef RCNN_TRAINING_SCHEDULER_RUN_DIRECTORY_H_
#define RCNN_TRAINING_SCHEDULER_RUN_DIRECTORY_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/scheduler/stage_plan.h"

namespace rcnn::training {

class RunDirectory {
 public:
  // Creates the directory if it is not there, takes its lock, and writes
  // experiment.textproto. The lock is held until destruction.
  // kFailedPrecondition, saying what to do, if another scheduler holds it, it is
  // the directory of an experiment of another name, or holds files and is no run
  // directory; those of base/file_io.h. Then nothing has changed.
  static absl::StatusOr<RunDirectory> Open(const std::string& path,
                                           const configs::ExperimentConfig& config);

  // To look only: takes no lock and changes nothing, and the directory need not
  // exist. The same errors, except for the lock.
  static absl::StatusOr<RunDirectory> OpenReadOnly(const std::string& path,
                                                   const configs::ExperimentConfig& config);

  RunDirectory(RunDirectory&& other) noexcept
      : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}
  RunDirectory& operator=(RunDirectory&& other) noexcept;
  ~RunDirectory();

  const std::string& path() const { return path_; }

  // Where the stage's files are, or will be: path()/stage.directory, unless
  // Arrange has still to bring them there.
  std::string StagePath(const PlannedStage& stage) const;

  // Gives stages whose number has changed their new directory, brings back earlier
  // results, finished or not, whose key is the planned one again, and deletes what a
  // killed Finish has left.
  absl::Status Arrange(const std::vector<PlannedStage>& plan);

  // Reads what there is of a stage. The sizes of its files are compared with
  // those that Finish recorded, and their checksums too if asked for, which reads
  // them all. What is damaged is not done, and `complaint` says so.
  absl::StatusOr<StageStatus> ReadStatus(const PlannedStage& stage,
                                         bool verify_checksums = false) const;

  // To be called before a stage writes anything, when all that can be known to be
  // wrong has been found not to be. With the same key, what is there stays, to be
  // resumed. With another, a finished result (".previous") and an unfinished one with
  // checkpoints (".unfinished") are kept aside until Finish, one of each, so that an
  // edit that was a mistake can be taken back.
  // kFailedPrecondition if files lie there that no stage has written.
  absl::Status Begin(const PlannedStage& stage);

  // Marks a stage as done: `outputs` are its files, relative to its directory.
  // kNotFound if one is missing. DONE is written last and atomically; then the
  // stage's checkpoints and its result of before, which nobody needs any more, go.
  absl::Status Finish(const PlannedStage& stage, const std::vector<std::string>& outputs);

 private:
  RunDirectory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::string path_;
  int lock_ = -1;  // descriptor of LOCK; -1: read-only or moved from
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_RUN_DIRECTORY_H_
