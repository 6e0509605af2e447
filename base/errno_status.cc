#include "rcnn/base/errno_status.h"

#include <errno.h>

#include <system_error>

#include "absl/strings/str_cat.h"
#include "rcnn/base/path_length.h"

namespace rcnn {

absl::Status ErrorNumberStatus(int error, absl::string_view what, absl::string_view path) {
  if (error == ENAMETOOLONG && IsPathTooLong(path)) {
    return absl::UnavailableError(absl::StrCat("cannot ", what, " ", ShownPath(path), ": ",
                                               kPathTooLong, "; give another path"));
  }
  const std::string message =
      absl::StrCat("cannot ", what, " ", path, ": ", std::generic_category().message(error));
  switch (error) {
    case EFBIG:
      return absl::ResourceExhaustedError(absl::StrCat(
          message,
          "; raise the limit on the size of files (ulimit -f), free some space or choose "
          "another directory"));
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(
          absl::StrCat(message, "; free some space or choose another directory"));
    case EROFS:
      return absl::PermissionDeniedError(
          absl::StrCat(message, "; choose a directory that can be written"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(
          absl::StrCat(message, "; change its permissions or choose another path"));
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::Status ErrnoStatus(absl::string_view what, absl::string_view path) {
  return ErrorNumberStatus(errno, what, path);
}

}  // namespace rcnn
