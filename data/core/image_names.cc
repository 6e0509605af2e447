#include "rcnn/data/core/image_names.h"

#include <cstdint>
#include <filesystem>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/data/core/sample.h"
#include "simdjson.h"

namespace rcnn::data {
namespace {

const std::string& PathOrName(const ImageInfo& info) {
  return info.path.empty() ? info.name : info.path;
}

}  // namespace

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
  absl::flat_hash_map<std::string, int64_t> seen;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo info = dataset.image(i);
    const std::string name = WithoutImageExtension(info.name);
    const auto [place, is_new] =
        seen.try_emplace(std::filesystem::path(name).lexically_normal().string(), i);
    if (is_new) continue;
    const ImageInfo first = dataset.image(place->second);
    return absl::InvalidArgumentError(absl::StrCat(
        "two images would be written to the same file ", name, ".png: ", PathOrName(first), " and ",
        PathOrName(info),
        first.name == info.name ? "; write each part of the dataset by itself" : "; rename one"));
  }
  return absl::OkStatus();
}

absl::Status CheckNamesAreUtf8(const Dataset& dataset) {
  for (const std::string& name : dataset.classes().names) {
    if (simdjson::validate_utf8(name.data(), name.size())) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("the class name \"", name,
                     "\" is not UTF-8, and JSON has no other; convert the file that names it, for "
                     "example with iconv -f ENCODING -t UTF-8"));
  }
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const std::string name = dataset.image(i).name;
    if (simdjson::validate_utf8(name.data(), name.size())) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "the image name \"", name, "\" is not UTF-8, and JSON has no other; rename the file"));
  }
  return absl::OkStatus();
}

}  // namespace rcnn::data
