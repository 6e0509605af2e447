// The lock of a run directory: one scheduler at a time.
//
// Holds two locks (flock). All versions check the lock on the file LOCK, which names its
// holder. But a file can be deleted or replaced, and a second scheduler would then lock
// the new one. So the directory itself is locked too, where the file system supports it
// (NFS may not), and Check tells whether LOCK is still the file that was locked.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(RunLock lock, RunLock::Take("runs/cells"));
//   RCNN_RETURN_IF_ERROR(lock.Check());   // before anything is written, replaced or deleted

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
  // scheduler has it, and if LOCK is a link or not a regular file, which is left as it is. Other
  // codes if the directory or LOCK cannot be opened or locked now. Both locks are held until
  // destruction, or the end of the process.
  static absl::StatusOr<RunLock> Take(const std::string& directory);

  // Who works in the directory, as LOCK names it: "process 17 on host since ...". Empty if nobody
  // does, or if the directory is missing. Changes nothing. For reports: a scheduler may begin or
  // end at any time. Errors: those of opening and locking the directory and LOCK.
  static absl::StatusOr<std::string> Holder(const std::string& directory);

  RunLock(RunLock&& other) noexcept
      : directory_(std::move(other.directory_)),
        folder_(std::exchange(other.folder_, -1)),
        file_(std::exchange(other.file_, -1)) {}
  RunLock& operator=(RunLock&& other) noexcept;
  ~RunLock();

  // OK if LOCK is still the file that was locked. If it has been deleted or replaced and
  // nobody holds the new one, locks that. kFailedPrecondition if another scheduler holds
  // it, or if the directory is not the one that was locked: stop at once.
  absl::Status Check();

 private:
  RunLock(std::string directory, int folder) : directory_(std::move(directory)), folder_(folder) {}

  std::string directory_;
  int folder_ = -1;  // descriptors; -1: not locked, moved from
  int file_ = -1;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_RUN_LOCK_H_
