// A folder for a fuzz target whose reader takes paths; removed when the target ends.
//
// Example:
//   static const FuzzFolder folder;
//   ReadManifest(folder.Write("manifest.json", bytes)).status().IgnoreError();

#ifndef RCNN_BASE_TESTING_FUZZ_FOLDER_H_
#define RCNN_BASE_TESTING_FUZZ_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/temporary_directory.h"

namespace rcnn::testing {

class FuzzFolder {
 public:
  FuzzFolder() : directory_("rcnn_fuzz") {}

  const std::string& path() const { return directory_.path(); }

  // Writes a file, below folders that are made, and returns its path. The target ends if it
  // cannot.
  std::string Write(absl::string_view name, absl::string_view bytes) const {
    const std::filesystem::path path = absl::StrCat(directory_.path(), "/", name);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file) std::abort();
    return path.string();
  }

 private:
  const TemporaryDirectory directory_;
};

}  // namespace rcnn::testing

#endif  // RCNN_BASE_TESTING_FUZZ_FOLDER_H_
