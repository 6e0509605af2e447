#include "rcnn/training/config/bundled_config.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "rcnn/base/nearest_names.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/program.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

constexpr char kExtension[] = ".textproto";

// Bazel puts data files next to the program. In a test they are in the current
// directory.
fs::path BundledFolder() {
  std::error_code error;
  const fs::path beside = ProgramPath() + ".runfiles/rcnn/configs";
  return fs::is_directory(beside, error) ? beside : fs::path("configs");
}

}  // namespace

std::vector<std::string> BundledConfigs() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(BundledFolder(), error)) {
    if (entry.path().extension() == kExtension) names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> FindConfig(const std::string& name) {
  std::error_code error;
  if (fs::is_regular_file(name, error)) return name;
  absl::string_view stem = name;
  absl::ConsumePrefix(&stem, "configs/");
  absl::ConsumeSuffix(&stem, kExtension);
  const fs::path bundled = BundledFolder() / absl::StrCat(stem, kExtension);
  if (stem.find('/') == absl::string_view::npos && fs::is_regular_file(bundled, error)) {
    return bundled.string();
  }
  const std::vector<std::string> names = BundledConfigs();
  const std::vector<std::string> near = NearestNames(stem, names);
  return absl::NotFoundError(absl::StrCat(
      ShownFlag("--config", name),
      ": no such file, and not the name of an experiment that comes with rcnn",
      near.empty() ? ": " : absl::StrCat("; did you mean ", absl::StrJoin(near, " or "), "? All: "),
      absl::StrJoin(names, ", ")));
}

}  // namespace rcnn::training
