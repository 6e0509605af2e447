#include "rcnn/training/config/bundled_config.h"

#include <algorithm>
#include <filesystem>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "rcnn/base/nearest_names.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/program.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

constexpr char kExtension[] = ".textproto";

// Bazel puts data files next to the program. In a test they are in the current
// directory.
absl::StatusOr<fs::path> BundledFolder() {
  const std::string beside = ProgramPath() + ".runfiles/rcnn/configs";
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, TargetType(beside));
  return fs::path(type == fs::file_type::directory ? beside : "configs");
}

}  // namespace

absl::StatusOr<std::vector<std::string>> BundledConfigs() {
  RCNN_ASSIGN_OR_RETURN(const fs::path folder, BundledFolder());
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListNames(folder.string()));
  std::vector<std::string> names;
  for (const std::string& file : files) {
    if (absl::EndsWith(file, kExtension)) names.emplace_back(absl::StripSuffix(file, kExtension));
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> FindConfig(const std::string& name) {
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, TargetType(name), "--config");
  if (type == fs::file_type::regular) return name;
  absl::string_view stem = name;
  absl::ConsumePrefix(&stem, "configs/");
  absl::ConsumeSuffix(&stem, kExtension);
  if (!absl::StrContains(stem, '/')) {
    RCNN_ASSIGN_OR_RETURN(const fs::path folder, BundledFolder());
    const std::string bundled = (folder / absl::StrCat(stem, kExtension)).string();
    RCNN_ASSIGN_OR_RETURN(const fs::file_type bundled_type, TargetType(bundled));
    if (bundled_type == fs::file_type::regular) return bundled;
  }
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, BundledConfigs());
  const std::vector<std::string> near = NearestNames(stem, names);
  return absl::NotFoundError(absl::StrCat(
      ShownFlag("--config", name),
      ": no such file, and not the name of an experiment that comes with rcnn",
      near.empty() ? ": " : absl::StrCat("; did you mean ", absl::StrJoin(near, " or "), "? All: "),
      absl::StrJoin(names, ", ")));
}

}  // namespace rcnn::training
