#include "rcnn/data/core/new_file.h"

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"

namespace rcnn::data {
namespace {

// Whether `path` has these contents; false if there is nothing.
absl::StatusOr<bool> IsWritten(const std::string& path, absl::string_view bytes) {
  RCNN_ASSIGN_OR_RETURN(const bool exists, PathExists(path));
  if (!exists) return false;
  const absl::StatusOr<std::string> found =
      ReadFile(path, {.max_bytes = static_cast<int64_t>(bytes.size())});
  if (IsUnreadableNow(found.status())) return found.status();
  if (found.ok() && *found == bytes) return true;
  return absl::AlreadyExistsError(absl::StrCat(
      path,
      " exists with other contents, and is not replaced; choose another folder, or remove it"));
}

}  // namespace

absl::Status CheckReplacesNone(const std::string& path, absl::string_view bytes) {
  return IsWritten(path, bytes).status();
}

absl::Status WriteNewFile(const std::string& path, absl::string_view bytes) {
  RCNN_ASSIGN_OR_RETURN(const bool is_written, IsWritten(path, bytes));
  return is_written ? absl::OkStatus() : WriteFileAtomically(path, bytes).status();
}

}  // namespace rcnn::data
