#include "rcnn/data/core/image_file_name.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<bool> IsFile(const fs::path& path) {
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, TargetType(path.string()));
  return type == fs::file_type::regular;
}

bool HasDrive(absl::string_view name) {
  return name.size() >= 2 && absl::ascii_isalpha(static_cast<unsigned char>(name[0])) &&
         name[1] == ':';
}

// "" if `name` does not lie below `folder`.
std::string Below(const fs::path& folder, const fs::path& name) {
  std::string base = folder.lexically_normal().string();
  if (!absl::EndsWith(base, "/")) base += '/';
  const std::string path = name.lexically_normal().string();
  return absl::StartsWith(path, base) ? path.substr(base.size()) : "";
}

// `name` without the folder's path, or without the same path with links resolved; "" if it
// begins with neither.
absl::StatusOr<std::string> WithoutFolder(const std::string& folder, const fs::path& name) {
  RCNN_ASSIGN_OR_RETURN(const std::string absolute, AbsolutePath(folder));
  std::string below = Below(absolute, name);
  if (!below.empty()) return below;
  std::error_code error;
  const fs::path canonical = fs::canonical(folder, error);
  if (!error) return Below(canonical, name);
  const absl::Status status = ErrorNumberStatus(error.value(), "access", folder);
  if (IsUnreadableNow(status)) return status;
  return std::string();  // the folder is missing
}

}  // namespace

absl::StatusOr<std::string> NameInFolder(absl::string_view folder, absl::string_view name) {
  const std::string root = folder.empty() ? "." : std::string(folder);
  std::string file(name);
  if (absl::StrContains(file, '\\')) {
    RCNN_ASSIGN_OR_RETURN(const bool is_name, IsFile(fs::path(root) / file));
    if (!is_name) std::replace(file.begin(), file.end(), '\\', '/');
    if (!is_name && HasDrive(file)) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": a path from another system"));
    }
  }
  if (absl::StartsWith(file, "/")) {
    RCNN_ASSIGN_OR_RETURN(const std::string below, WithoutFolder(root, file));
    if (!below.empty()) file = below;
  }
  RCNN_RETURN_IF_ERROR(JoinInside(root, file).status());
  return file;
}

}  // namespace rcnn::data
