#include "rcnn/training/scheduler/temporary_files.h"

#include <cstddef>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/training/scheduler/stage_files.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

absl::Status RemoveTemporariesOfFolder(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory));
  for (const std::string& name : names) {
    if (IsTemporary(name)) RCNN_RETURN_IF_ERROR(RemovePath(absl::StrCat(directory, "/", name)));
  }
  return absl::OkStatus();
}

}  // namespace

bool IsTemporary(absl::string_view name) {
  const size_t mark = name.rfind(".tmp-");
  return mark != absl::string_view::npos &&
         name.find_first_not_of("0123456789-", mark + 5) == absl::string_view::npos;
}

absl::Status RemoveTemporaries(const std::string& directory) {
  RCNN_RETURN_IF_ERROR(RemoveTemporariesOfFolder(directory));
  const std::string copies = absl::StrCat(directory, "/", kCopiesFolder);
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(copies));
  return type == fs::file_type::directory ? RemoveTemporariesOfFolder(copies) : absl::OkStatus();
}

}  // namespace rcnn::training
