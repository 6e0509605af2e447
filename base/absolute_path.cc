#include "rcnn/base/absolute_path.h"

#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/path_length.h"

namespace rcnn {

absl::StatusOr<std::string> AbsolutePath(const std::string& path) {
  if (std::filesystem::path(path).is_absolute()) return path;
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  if (error) {
    return absl::UnavailableError(absl::StrCat(
        ShownPath(path), path.empty() ? "" : ": ", "the current directory cannot be found: ",
        error.message(), "; if it was deleted, change to another one"));
  }
  return path.empty() ? here.string() : (here / path).string();
}

}  // namespace rcnn
