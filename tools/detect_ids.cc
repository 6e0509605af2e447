#include "rcnn/tools/detect_ids.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/image_names.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

// Folders and name, without the extension of an image.
std::vector<std::string> SplitPath(const fs::path& path) {
  std::vector<std::string> parts;
  for (const fs::path& part : path.lexically_normal()) parts.push_back(part.string());
  if (!parts.empty()) parts.back() = data::WithoutImageExtension(parts.back());
  return parts;
}

// Whether `path` ends in all parts of `file`.
bool EndsIn(const std::vector<std::string>& path, const std::vector<std::string>& file) {
  return file.size() <= path.size() && std::equal(file.rbegin(), file.rend(), path.rbegin());
}

// The images of a dataset by name.
class ImageIndex {
 public:
  explicit ImageIndex(const eval::GroundTruth& truth) {
    for (const eval::GroundTruthImage& image : truth.images) {
      std::vector<std::string> parts = SplitPath(image.file);
      if (parts.empty()) continue;
      by_name_[parts.back()].emplace_back(image.id, std::move(parts));
    }
  }

  absl::StatusOr<std::optional<int64_t>> Find(const std::string& file) const {
    RCNN_ASSIGN_OR_RETURN(const std::string absolute, AbsolutePath(file));
    const std::vector<std::string> path = SplitPath(absolute);
    const auto found = by_name_.find(path.back());
    if (found == by_name_.end()) return std::nullopt;
    size_t longest = 0;
    std::optional<int64_t> id;
    for (const auto& [image, parts] : found->second) {
      if (parts.size() <= longest || !EndsIn(path, parts)) continue;
      longest = parts.size();
      id = image;
    }
    if (!id.has_value() && found->second.size() == 1) id = found->second.front().first;
    return id;
  }

 private:
  std::map<std::string, std::vector<std::pair<int64_t, std::vector<std::string>>>> by_name_;
};

absl::StatusOr<std::vector<int64_t>> FindCategories(const eval::GroundTruth& truth,
                                                    const std::string& source,
                                                    const std::vector<std::string>& class_names) {
  std::vector<int64_t> categories;
  for (const std::string& name : class_names) {
    const int64_t index = truth.CategoryIndex(absl::string_view(name));
    if (index < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the model detects the class \"", name, "\", which is not a category of ", source, " (",
          absl::StrJoin(truth.categories, ", ",
                        [](std::string* out, const auto& category) { *out += category.name; }),
          ")"));
    }
    categories.push_back(truth.categories[static_cast<size_t>(index)].id);
  }
  return categories;
}

}  // namespace

ResultIds NewIds(int64_t images, int64_t classes) {
  ResultIds ids;
  for (int64_t i = 1; i <= images; ++i) ids.images.emplace_back(i);
  ids.exif_applied.assign(static_cast<size_t>(images), true);
  for (int64_t k = 1; k <= classes; ++k) ids.categories.push_back(k);
  return ids;
}

absl::StatusOr<ResultIds> DatasetIds(const eval::GroundTruth& truth, const std::string& source,
                                     const std::vector<std::string>& paths,
                                     const std::vector<std::string>& class_names) {
  ResultIds ids;
  RCNN_ASSIGN_OR_RETURN(ids.categories, FindCategories(truth, source, class_names));
  const ImageIndex index(truth);
  std::map<int64_t, std::string> taken;
  for (const std::string& path : paths) {
    RCNN_ASSIGN_OR_RETURN(const std::optional<int64_t> id, index.Find(path));
    ids.images.push_back(id);
    ids.exif_applied.push_back(false);
    if (!ids.images.back().has_value()) continue;
    const int64_t place = truth.ImageIndex(*ids.images.back());
    ids.exif_applied.back() = truth.images[static_cast<size_t>(place)].exif_applied;
    const auto [first, is_new] = taken.emplace(*ids.images.back(), path);
    if (is_new) continue;
    return absl::InvalidArgumentError(absl::StrCat(first->second, " and ", path,
                                                   " both match image ", first->first, " of ",
                                                   source, "; leave one out"));
  }
  if (!taken.empty() || paths.empty()) return ids;
  return absl::InvalidArgumentError(
      absl::StrCat(paths.size() == 1 ? "the image is not"
                                     : absl::StrCat("none of the ", paths.size(), " images is"),
                   " in ", source,
                   " (the first there: ", truth.images.empty() ? "none" : truth.images.front().file,
                   "; the first here: ", paths.front(), ")"));
}

}  // namespace rcnn::tools
