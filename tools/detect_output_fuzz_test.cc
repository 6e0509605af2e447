// Any bytes as the manifest of a folder that detect is told to overwrite: it lists no name
// that leads out of the folder.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/string_view.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/tools/detect_output.h"

namespace {

bool LeadsOut(const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(name).lexically_normal();
  return path.is_absolute() || path.empty() || *path.begin() == "..";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rcnn::testing::FuzzFolder folder;
  folder.Write(rcnn::tools::kManifestName,
               absl::string_view(reinterpret_cast<const char*>(data), size));
  const auto names = rcnn::tools::ReadManifest(folder.path());
  if (!names.ok()) return 0;
  for (const std::string& name : *names) {
    if (LeadsOut(name)) std::abort();
  }
  return 0;
}
