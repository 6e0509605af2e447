#include "rcnn/base/folder_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/retried_calls.h"

namespace rcnn {

int FlockRetried(int descriptor, int operation) {
  for (;;) {
    const int result = flock(descriptor, operation);
    if (result == 0 || errno != EINTR) return result;
  }
}

bool LocksNoFolders(int error) {
  return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL || error == EBADF;
}

absl::StatusOr<FolderLock> FolderLock::Take(const std::string& folder) {
  const int descriptor = OpenRetried(folder, O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) return ErrnoStatus("open", folder);
  FolderLock lock(descriptor);
  if (FlockRetried(descriptor, LOCK_EX | LOCK_NB) == 0 || LocksNoFolders(errno)) return lock;
  if (errno != EWOULDBLOCK) return ErrnoStatus("lock", folder);
  return absl::FailedPreconditionError(
      absl::StrCat("another process is writing into ", folder, "; wait for it, or stop it"));
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace rcnn
