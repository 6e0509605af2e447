#include "rcnn/data/sources/folder_leaks.h"

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {
namespace {

// A group of similar images larger than this fraction of all images is a common background,
// not a source.
constexpr double kLargestGroup = 0.2;
constexpr double kAlwaysASource = 20;  // images

int64_t LargestGroup(const ImageGroups& groups) {
  std::map<int64_t, int64_t> sizes;
  int64_t largest = 0;
  for (const int64_t group : groups.group) largest = std::max(largest, ++sizes[group]);
  return largest;
}

}  // namespace

FolderImages ListFolderImages(const OpenedFolder& folder) {
  FolderImages all;
  for (size_t p = 0; p < folder.parts.size(); ++p) {
    const Dataset& images = *folder.parts[p].images;
    for (int64_t i = 0; i < images.size(); ++i) {
      ImageInfo info = images.image(i);
      all.names.push_back(std::move(info.name));
      all.paths.push_back(std::move(info.path));
      all.places.emplace_back(p, i);
    }
  }
  return all;
}

absl::StatusOr<ImageGroups> FindGroups(const FolderImages& images, const HashOptions& options,
                                       std::vector<std::string>& notices) {
  RCNN_ASSIGN_OR_RETURN(std::vector<std::optional<ImageHash>> hashes,
                        HashImages(images.paths, options));
  const auto in_shards = std::count(images.paths.begin(), images.paths.end(), "");
  if (in_shards > 0) {
    notices.push_back(absl::StrCat(Counted(in_shards, "image lies", "images lie"),
                                   " in shards, so only names show which share a source"));
  }
  ImageGroups groups = GroupImages(images.names, hashes);
  const double size = static_cast<double>(images.names.size());
  const double largest = static_cast<double>(LargestGroup(groups));
  if (largest <= std::max(kLargestGroup * size, kAlwaysASource)) return groups;
  // Gives every image a different look, so that looks connect no images.
  uint64_t next = 0;
  for (std::optional<ImageHash>& hash : hashes) {
    ++next;
    if (hash) hash->look.fill(next * 0x9e3779b97f4a7c15ULL);
  }
  ImageGroups by_name = GroupImages(images.names, hashes);
  notices.push_back(absl::StrCat(
      static_cast<int64_t>(largest), " of ", images.names.size(),
      " images look nearly the same (frames of one camera?), so similarity does not show which "
      "share a source; only identical files and names are kept on one side"));
  return by_name;
}

std::vector<std::string> CollectLeaks(const FolderImages& images, const ImageGroups& groups,
                                      const std::vector<int>& side,
                                      const std::vector<std::string>& side_names) {
  std::map<int64_t, SameSource> reasons;
  for (const ImagePair& pair : groups.pairs) {
    reasons.emplace(groups.group[static_cast<size_t>(pair.first)], pair.reason);
  }
  std::map<int64_t, size_t> first;
  std::vector<std::string> leaks;
  for (size_t i = 0; i < images.names.size(); ++i) {
    const auto [place, is_new] = first.try_emplace(groups.group[i], i);
    const size_t other = place->second;
    if (is_new || side[i] == side[other]) continue;
    leaks.push_back(absl::StrCat(side_names[static_cast<size_t>(side[other])], "/",
                                 images.names[other], " and ",
                                 side_names[static_cast<size_t>(side[i])], "/", images.names[i],
                                 ": ", Name(reasons.at(groups.group[i]))));
  }
  return leaks;
}

absl::StatusOr<std::vector<std::string>> FindLeaks(const OpenedFolder& folder,
                                                   const HashOptions& options) {
  if (folder.parts.size() < 2) return std::vector<std::string>();
  const FolderImages images = ListFolderImages(folder);
  std::vector<std::string> notices;
  RCNN_ASSIGN_OR_RETURN(const ImageGroups groups, FindGroups(images, options, notices));
  std::vector<int> side;
  std::vector<std::string> names;
  for (const OpenedPart& part : folder.parts) names.push_back(part.name);
  for (const auto& [part, index] : images.places) side.push_back(static_cast<int>(part));
  return CollectLeaks(images, groups, side, names);
}

}  // namespace rcnn::data
