// The lock of a run directory: one scheduler at a time.
//
// Two locks (flock) are held. That of the file LOCK, which names its holder, is what
// every version looks at; but a file can be deleted or replaced, and then a second
// scheduler would lock another one. So the directory itself is locked too, where the file
// system can (NFS cannot), and Check finds out whether LOCK still is the file that was
// locked.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(RunLock lock, RunLock::Take("runs/cells"));
//   RCNN_RETURN_IF_ERROR(lock.Check());   // before anything is replaced

#ifndef RCNN_TRAINING_SCHEDULER_RUN_LOCK_H_
#define RCNN_TRAINING_SCHEDULER_RUN_LOCK_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rcnn::training {

inline constexpr char kLockFile[] = "LOCK";

class RunLock {
 public:
  // `directory` exists. kFailedPrecondition, naming the holder and what to do, if another
  // scheduler has it. Both locks are held until destruction, or the end of the process.
  static absl::StatusOr<RunLock> Take(const std::string& directory);

  RunLock(RunLock&& other) noexcept
      : directory_(std::move(other.directory_)),
        folder_(std::exchange(other.folder_, -1)),
        file_(std::exchange(other.file_, -1)) {}
  RunLock& operator=(RunLock&& other) noexcept;
  ~RunLock();

  // OK if the lock still is the one at the path. If LOCK has been deleted or replaced and
  // nobody else holds the new one, that is taken. kFailedPrecondition if another scheduler
  // does, or if the directory is another one than was locked: then to stop at once.
  absl::Status Check();

 private:
  RunLock(std::string directory, int folder) : directory_(std::move(directory)), folder_(folder) {}

  std::string directory_;
  int folder_ = -1;  // descriptors; -1: not locked, moved from
  int file_ = -1;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_RUN_LOCK_H_
