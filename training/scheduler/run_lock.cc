#include "rcnn/training/scheduler/run_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/folder_lock.h"
#include "rcnn/base/host_name.h"
#include "rcnn/base/retried_calls.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

constexpr int kTries = 100;
// Holder has a shared lock for a moment, which must not refuse a scheduler.
constexpr int kHeldTries = 10;
constexpr absl::Duration kHeldPause = absl::Milliseconds(20);
constexpr int64_t kMaxHolderBytes = 4096;

std::string LockText() {
  return absl::StrFormat(
      "process %d on %s since %s\n", getpid(), HostName(),
      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::Now(), absl::UTCTimeZone()));
}

int LockRetried(int descriptor) {
  for (int held = 0;;) {
    const int result = FlockRetried(descriptor, LOCK_EX | LOCK_NB);
    if (result == 0 || errno != EWOULDBLOCK || ++held == kHeldTries) return result;
    absl::SleepFor(kHeldPause);
  }
}

std::string HolderText(const std::string& directory) {
  const absl::StatusOr<std::string> text =
      ReadFile(absl::StrCat(directory, "/", kLockFile), {.max_bytes = kMaxHolderBytes});
  return text.ok() ? text->substr(0, text->find('\n')) : "unknown";
}

absl::Status Held(const std::string& directory) {
  return absl::FailedPreconditionError(
      absl::StrCat("another scheduler is running in ", directory, " (", HolderText(directory),
                   "); wait for it, stop it, or choose another --run_dir"));
}

// Whether somebody has locked the file or directory; not if it is missing, or the file is a link.
absl::StatusOr<bool> IsLocked(const std::string& path, int open_flags) {
  const int descriptor = OpenRetried(path, O_RDONLY | O_NONBLOCK | open_flags);
  const bool is_link = descriptor < 0 && errno == ELOOP && (open_flags & O_NOFOLLOW) != 0;
  if (is_link || (descriptor < 0 && (errno == ENOENT || errno == ENOTDIR))) return false;
  if (descriptor < 0) return ErrnoStatus("open", path);
  const auto closer = absl::MakeCleanup([descriptor] { close(descriptor); });
  if (FlockRetried(descriptor, LOCK_SH | LOCK_NB) == 0) return false;
  if (errno == EWOULDBLOCK) return true;
  if ((open_flags & O_DIRECTORY) != 0 && LocksNoFolders(errno)) return false;
  return ErrnoStatus("lock", path);
}

// Whether `descriptor` refers to what is at `path` now: the file itself, not one that a link leads
// to; for a directory either.
absl::StatusOr<bool> LiesAt(int descriptor, const std::string& path) {
  struct stat held, there;
  if (fstat(descriptor, &held) != 0) return ErrnoStatus("examine", path);
  const bool is_file = S_ISREG(held.st_mode);
  if ((is_file ? lstat(path.c_str(), &there) : stat(path.c_str(), &there)) == 0) {
    return held.st_dev == there.st_dev && held.st_ino == there.st_ino;
  }
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return ErrnoStatus("access", path);
}

// -1 if the file system does not lock directories.
absl::StatusOr<int> LockFolder(const std::string& directory) {
  const int descriptor = OpenRetried(directory, O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) return ErrnoStatus("open", directory);
  if (LockRetried(descriptor) == 0) return descriptor;
  const bool held = errno == EWOULDBLOCK, not_supported = LocksNoFolders(errno);
  const absl::Status error = ErrnoStatus("lock", directory);
  close(descriptor);
  if (held) return Held(directory);
  if (not_supported) return -1;
  return error;
}

absl::Status NotALock(const std::string& path, absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat(
      path, " is ", what, ", but a scheduler's LOCK is a regular file; delete this one"));
}

// The file, created if it is missing. It is emptied and written later, so a link is not followed:
// it may lead to any file of the user.
absl::StatusOr<int> OpenFile(const std::string& path) {
  // Without O_NONBLOCK opening a pipe could wait.
  const int descriptor = OpenRetried(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0 && errno == ELOOP) return NotALock(path, "a link");
  if (descriptor < 0) return ErrnoStatus("open", path);
  struct stat status;
  const bool is_known = fstat(descriptor, &status) == 0;
  if (is_known && S_ISREG(status.st_mode)) return descriptor;
  const absl::Status error =
      is_known ? NotALock(path, "not a regular file") : ErrnoStatus("examine", path);
  close(descriptor);
  return error;
}

// One attempt: -1 if the file was deleted or replaced before it was locked.
absl::StatusOr<int> TryFile(const std::string& directory, const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const int descriptor, OpenFile(path));
  if (LockRetried(descriptor) != 0) {
    const bool held = errno == EWOULDBLOCK;
    const absl::Status error = ErrnoStatus("lock", path);
    close(descriptor);
    return held ? Held(directory) : error;
  }
  const absl::StatusOr<bool> lies_there = LiesAt(descriptor, path);
  if (lies_there.ok() && *lies_there) return descriptor;
  close(descriptor);
  RCNN_RETURN_IF_ERROR(lies_there.status());
  return -1;
}

absl::StatusOr<int> LockTheFile(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kLockFile);
  for (int i = 0; i < kTries; ++i) {
    RCNN_ASSIGN_OR_RETURN(const int descriptor, TryFile(directory, path));
    if (descriptor < 0) continue;
    const std::string text = LockText();
    if (ftruncate(descriptor, 0) == 0 && lseek(descriptor, 0, SEEK_SET) == 0 &&
        WriteAllRetried(descriptor, text)) {
      return descriptor;
    }
    const absl::Status error = ErrnoStatus("write to", path);
    close(descriptor);
    return error;
  }
  return absl::UnavailableError(absl::StrCat("cannot lock ", path, ": it keeps being replaced"));
}

}  // namespace

absl::StatusOr<RunLock> RunLock::Take(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const int folder, LockFolder(directory));
  RunLock lock(directory, folder);
  RCNN_ASSIGN_OR_RETURN(lock.file_, LockTheFile(directory));
  return lock;
}

absl::StatusOr<std::string> RunLock::Holder(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(bool is_locked, IsLocked(directory, O_DIRECTORY));
  if (!is_locked) {  // or the file system does not lock directories
    RCNN_ASSIGN_OR_RETURN(is_locked, IsLocked(absl::StrCat(directory, "/", kLockFile), O_NOFOLLOW));
  }
  return is_locked ? HolderText(directory) : std::string();
}

RunLock& RunLock::operator=(RunLock&& other) noexcept {
  std::swap(directory_, other.directory_);
  std::swap(folder_, other.folder_);
  std::swap(file_, other.file_);
  return *this;
}

RunLock::~RunLock() {
  if (file_ >= 0) close(file_);
  if (folder_ >= 0) close(folder_);
}

absl::Status RunLock::Check() {
  if (folder_ >= 0) {
    RCNN_ASSIGN_OR_RETURN(const bool same_folder, LiesAt(folder_, directory_));
    if (!same_folder) {
      return absl::FailedPreconditionError(
          absl::StrCat(directory_,
                       " is not the directory that this run started in: it was moved, deleted or "
                       "replaced; put it back and start the same command again"));
    }
  }
  const std::string path = absl::StrCat(directory_, "/", kLockFile);
  RCNN_ASSIGN_OR_RETURN(const bool same_file, LiesAt(file_, path));
  if (same_file) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const int file, LockTheFile(directory_),
                        absl::StrCat(path, " was deleted or replaced while this run held it"));
  close(std::exchange(file_, file));
  return absl::OkStatus();
}

}  // namespace rcnn::training
