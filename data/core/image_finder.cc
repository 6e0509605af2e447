#include "rcnn/data/core/image_finder.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/image_names.h"

namespace rcnn::data {
namespace {

// How many folders, counted from the file, two paths have in common.
int64_t SharedFolders(absl::string_view a, absl::string_view b) {
  int64_t shared = 0;
  for (;;) {
    a = ParentPart(a);
    b = ParentPart(b);
    if (a.empty() || b.empty() || FilePart(a) != FilePart(b)) return shared;
    ++shared;
  }
}

}  // namespace

absl::StatusOr<ImageFinder> ImageFinder::Create(const std::string& folder,
                                                const ListingOptions& options) {
  RCNN_ASSIGN_OR_RETURN(std::vector<std::string> files, ListFiles(folder, options));
  files.erase(std::remove_if(files.begin(), files.end(),
                             [](const std::string& file) { return !HasImageExtension(file); }),
              files.end());
  return ImageFinder(folder, std::move(files));
}

ImageFinder::ImageFinder(std::string folder, std::vector<std::string> images)
    : folder_(std::move(folder)), images_(std::move(images)) {
  for (size_t i = 0; i < images_.size(); ++i) {
    by_file_[FilePart(images_[i])].push_back(static_cast<int64_t>(i));
    by_stem_[WithoutImageExtension(FilePart(images_[i]))].push_back(static_cast<int64_t>(i));
    folder_names_.emplace(FilePart(ParentPart(images_[i])));
  }
}

absl::StatusOr<std::string> ImageFinder::Best(const std::vector<int64_t>& candidates,
                                              absl::string_view name) const {
  int64_t best = -1;
  int64_t second = -1;
  int64_t most = -1;
  for (const int64_t candidate : candidates) {
    const int64_t shared = SharedFolders(images_[candidate], name);
    if (shared > most) {
      most = shared;
      best = candidate;
      second = -1;
    } else if (shared == most) {
      second = candidate;
    }
  }
  // Not the folder of another machine, but one that is here and lacks the image.
  const absl::string_view parent = FilePart(ParentPart(name));
  if (most == 0 && !parent.empty() && folder_names_.count(parent) > 0) {
    return absl::NotFoundError(absl::StrCat("the folder ", parent, " has no image ", name));
  }
  if (second < 0) return images_[best];
  return absl::InvalidArgumentError(absl::StrCat(name, " matches both ", images_[best], " and ",
                                                 images_[second],
                                                 "; write the folder before the name"));
}

absl::StatusOr<std::string> ImageFinder::Find(absl::string_view name) const {
  const std::string path = absl::StrReplaceAll(name, {{"\\", "/"}});
  const absl::string_view plain = absl::StripPrefix(path, "./");
  const auto same = std::lower_bound(images_.begin(), images_.end(), plain);
  if (same != images_.end() && *same == plain) return *same;
  const auto file = by_file_.find(FilePart(plain));
  if (file != by_file_.end()) {
    absl::StatusOr<std::string> best = Best(file->second, plain);
    // Its own folder may have it with another extension.
    if (!absl::IsNotFound(best.status())) return best;
  }
  const auto stem = by_stem_.find(WithoutImageExtension(FilePart(plain)));
  if (stem != by_stem_.end()) return Best(stem->second, plain);
  if (!JoinInside(".", plain).ok()) {
    return absl::PermissionDeniedError(
        absl::StrCat(name, " is outside the folder, which has no image of this name"));
  }
  return absl::NotFoundError(absl::StrCat(folder_, " has no image ", name));
}

DefectKind DefectOfMissingImage(const absl::Status& error) {
  return absl::IsPermissionDenied(error) ? DefectKind::kUnsafeFileName : DefectKind::kMissingImage;
}

}  // namespace rcnn::data
