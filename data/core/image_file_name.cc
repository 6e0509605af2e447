#include "rcnn/data/core/image_file_name.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

bool IsFile(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
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
std::string WithoutFolder(const fs::path& folder, const fs::path& name) {
  std::error_code error;
  const fs::path absolute = fs::absolute(folder, error);
  if (error) return "";
  const std::string below = Below(absolute, name);
  if (!below.empty()) return below;
  const fs::path canonical = fs::canonical(folder, error);
  return error ? "" : Below(canonical, name);
}

}  // namespace

absl::StatusOr<std::string> NameInFolder(absl::string_view folder, absl::string_view name) {
  const std::string root = folder.empty() ? "." : std::string(folder);
  std::string file(name);
  if (absl::StrContains(file, '\\') && !IsFile(fs::path(root) / file)) {
    std::replace(file.begin(), file.end(), '\\', '/');
    if (HasDrive(file)) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": a path from another system"));
    }
  }
  if (absl::StartsWith(file, "/")) {
    const std::string below = WithoutFolder(root, file);
    if (!below.empty()) file = below;
  }
  RCNN_RETURN_IF_ERROR(JoinInside(root, file).status());
  return file;
}

}  // namespace rcnn::data
