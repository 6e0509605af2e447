#include "rcnn/base/file_state.h"

#include <sys/stat.h>

#include <tuple>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/errno_status.h"

namespace rcnn {
namespace {

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

bool FileState::operator==(const FileState& other) const {
  return std::tie(device, inode, size, modified_ns, changed_ns) ==
         std::tie(other.device, other.inode, other.size, other.modified_ns, other.changed_ns);
}

std::string FileState::ToString() const {
  return absl::StrCat("size=", size, " modified=", modified_ns, " changed=", changed_ns,
                      " device=", device, " inode=", inode);
}

absl::StatusOr<FileState> ReadFileState(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return ErrnoStatus("examine", path);
  if (!S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  FileState state;
  state.device = status.st_dev;
  state.inode = status.st_ino;
  state.size = status.st_size;
  state.modified_ns = Nanoseconds(status.st_mtim);
  state.changed_ns = Nanoseconds(status.st_ctim);
  return state;
}

}  // namespace rcnn
