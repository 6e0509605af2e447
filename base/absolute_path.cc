#include "rcnn/base/absolute_path.h"

#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/status_macros.h"

namespace rcnn {

namespace fs = std::filesystem;

absl::StatusOr<std::string> AbsolutePath(const std::string& path) {
  if (fs::path(path).is_absolute()) return path;
  std::error_code error;
  const fs::path here = fs::current_path(error);
  if (error) {
    return absl::UnavailableError(absl::StrCat(
        ShownPath(path), path.empty() ? "" : ": ", "the current directory cannot be found: ",
        error.message(), "; if it was deleted, change to another one"));
  }
  return path.empty() ? here.string() : (here / path).string();
}

absl::StatusOr<std::string> ResolvedPath(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const std::string absolute, AbsolutePath(path));
  if (IsPathTooLong(absolute)) return fs::path(absolute).lexically_normal().string();
  std::error_code error;
  const fs::path resolved = fs::weakly_canonical(absolute, error);
  // What has no path, such as a pipe that /dev/stdout leads to, or was deleted meanwhile.
  if (error == std::errc::no_such_file_or_directory) {
    return fs::path(absolute).lexically_normal().string();
  }
  if (error) return ErrorNumberStatus(error.value(), "access", path);
  return resolved.string();
}

}  // namespace rcnn
