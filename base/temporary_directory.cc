#include "rcnn/base/temporary_directory.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace rcnn {

namespace fs = std::filesystem;

TemporaryDirectory::TemporaryDirectory(absl::string_view prefix) {
  std::error_code error;
  std::string path = (fs::temp_directory_path(error) / absl::StrCat(prefix, "_XXXXXX")).string();
  if (mkdtemp(path.data()) != nullptr) path_ = path;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code error;
  if (!path_.empty()) fs::remove_all(path_, error);
}

}  // namespace rcnn
