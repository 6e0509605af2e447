#include "rcnn/base/temporary_directory.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "rcnn/base/errno_status.h"

namespace rcnn {

namespace fs = std::filesystem;

TemporaryDirectory::TemporaryDirectory(absl::string_view prefix) {
  std::error_code error;
  const fs::path folder = fs::temp_directory_path(error);
  if (error) {
    status_ =
        ErrorNumberStatus(error.value(), "find the folder of temporary files (TMPDIR) for", prefix);
    return;
  }
  std::string path = (folder / absl::StrCat(prefix, "_XXXXXX")).string();
  if (mkdtemp(path.data()) != nullptr) {
    path_ = path;
  } else {
    status_ = ErrnoStatus("create a directory in", folder.string());
  }
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code error;
  if (!path_.empty()) fs::remove_all(path_, error);
}

}  // namespace rcnn
