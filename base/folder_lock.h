// Keeps other processes out of a folder while this one writes into it.
//
// The folder itself is locked by flock, which leaves no file behind and ends with the process. Some
// file systems lock no folders (LocksNoFolders); there nobody is kept out. A run directory has more
// than this: training/scheduler/run_lock.h.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::Take("found"));

#ifndef RCNN_BASE_FOLDER_LOCK_H_
#define RCNN_BASE_FOLDER_LOCK_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace rcnn {

// flock, again when a signal interrupts it.
int FlockRetried(int descriptor, int operation);

// Whether an error of flock on a folder says that the file system locks none. NFS wants a
// descriptor for writing (EBADF), which no folder has.
bool LocksNoFolders(int error);

class FolderLock {
 public:
  // Locks the folder until destruction. kFailedPrecondition if another lock of it exists, in this
  // process or another one; errors as in file_io.h if it cannot be opened or locked now.
  static absl::StatusOr<FolderLock> Take(const std::string& folder);

  FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FolderLock();

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_ = -1;
};

}  // namespace rcnn

#endif  // RCNN_BASE_FOLDER_LOCK_H_
