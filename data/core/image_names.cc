#include "rcnn/data/core/image_names.h"

#include <cstdint>
#include <filesystem>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rcnn::data {

std::string WithoutImageExtension(absl::string_view name) {
  for (const absl::string_view extension :
       {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".jpe", ".jfif", ".gif", ".tif", ".tiff"}) {
    if (absl::EndsWithIgnoreCase(name, extension)) {
      return std::string(name.substr(0, name.size() - extension.size()));
    }
  }
  return std::string(name);
}

bool HasImageExtension(absl::string_view name) {
  return WithoutImageExtension(name).size() < name.size();
}

absl::Status CheckImageNamesDiffer(const Dataset& dataset) {
  absl::flat_hash_set<std::string> seen;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const std::string name = WithoutImageExtension(dataset.image(i).name);
    if (!seen.insert(std::filesystem::path(name).lexically_normal().string()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("two images would be written to the same file ", name, ".png"));
    }
  }
  return absl::OkStatus();
}

}  // namespace rcnn::data
