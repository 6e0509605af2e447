#include "rcnn/data/sources/folder_contents.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/image_file_name.h"
#include "rcnn/data/core/image_names.h"

namespace rcnn::data {
namespace {

// Files that are read per folder and extension.
constexpr size_t kSample = 12;
// Files of one folder and extension that are read although none of them is recognised.
constexpr size_t kMostUnknown = 5000;

bool IsAnnotationName(absl::string_view file) {
  for (const absl::string_view extension : {".xml", ".json", ".csv", ".txt"}) {
    if (absl::EndsWithIgnoreCase(file, extension)) return true;
  }
  return false;
}

// Whether a file of this kind annotates one image.
bool IsOneEach(AnnotationKind kind) {
  return kind == AnnotationKind::kVoc || kind == AnnotationKind::kYolo ||
         kind == AnnotationKind::kLabelMe;
}

// Whether the other files of a folder need not be read: they annotate an image each.
bool IsSettled(const std::map<AnnotationKind, std::vector<std::string>>& kinds) {
  bool settled = false;
  for (const auto& [kind, files] : kinds) {
    if (kind == AnnotationKind::kImageList) continue;
    if (!IsOneEach(kind)) return false;
    settled = true;
  }
  return settled;
}

std::string Extension(absl::string_view file) {
  return absl::AsciiStrToLower(file.substr(file.rfind('.')));
}

// Similarity of two folders: twice the number of names that both paths have, less the number
// of names in b.
int64_t PathSimilarity(absl::string_view a, absl::string_view b) {
  if (a == b) return 1000;
  const std::vector<absl::string_view> first = absl::StrSplit(a, '/', absl::SkipEmpty());
  const std::vector<absl::string_view> second = absl::StrSplit(b, '/', absl::SkipEmpty());
  int64_t shared = 0;
  for (const absl::string_view part : first) {
    shared += std::count(second.begin(), second.end(), part);
  }
  return 2 * shared - static_cast<int64_t>(second.size());
}

// Counts a hit for the folder and each around it: an absolute name is below all of them.
void AddFoldersAround(absl::string_view folder, std::map<std::string, int64_t>& hits) {
  ++hits[""];
  for (; !folder.empty(); folder = ParentPart(folder)) ++hits[std::string(folder)];
}

}  // namespace

bool IsNamesFile(absl::string_view file) {
  const std::string name = absl::AsciiStrToLower(FilePart(file));
  return name == "classes.txt" || name == "labels.txt" || absl::StartsWith(name, "readme") ||
         absl::StartsWith(name, "license");
}

absl::StatusOr<FolderContents> FolderContents::Read(const std::string& folder,
                                                    const ListingOptions& options) {
  FolderContents contents;
  contents.folder_ = folder;
  std::vector<std::string> runs;
  RCNN_ASSIGN_OR_RETURN(contents.files_, ListFiles(folder, options, &runs));
  for (const std::string& run : runs) {
    contents.notices_.push_back(
        absl::StrCat(run,
                     " holds a run, so its images and annotations are not read; move them out "
                     "of it, or name the folder itself"));
  }
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> annotations;
  std::map<std::string, int32_t> image_folders;
  for (const std::string& file : contents.files_) {
    const std::string parent(ParentPart(file));
    if (HasImageExtension(file)) {
      contents.images_.push_back(file);
      const auto [place, is_new] =
          image_folders.try_emplace(parent, static_cast<int32_t>(contents.image_folders_.size()));
      if (is_new) contents.image_folders_.push_back(parent);
      std::vector<int32_t>& folders =
          contents.folders_by_stem_[WithoutImageExtension(FilePart(file))];
      if (folders.empty() || folders.back() != place->second) folders.push_back(place->second);
    } else if (IsAnnotationName(file)) {
      annotations[{parent, Extension(file)}].push_back(file);
    }
  }
  for (const auto& [key, files] : annotations) {
    RCNN_RETURN_IF_ERROR(contents.Classify(key.first, files));
  }
  return contents;
}

absl::StatusOr<bool> FolderContents::Look(const std::string& file, Kinds& kinds) {
  RCNN_ASSIGN_OR_RETURN(FileKind kind, ReadFileKind(absl::StrCat(folder_, "/", file)));
  if (!kind.obstacle.empty()) obstacles_.emplace(kind.obstacle, file);
  if (kind.kind == AnnotationKind::kCoco) coco_images_[file] = std::move(kind.images);
  if (kind.kind != AnnotationKind::kNone) kinds[kind.kind].push_back(file);
  return kind.kind != AnnotationKind::kNone || kind.empty;
}

absl::Status FolderContents::LookThrough(const std::vector<std::string>& files, bool all,
                                         Kinds& kinds) {
  size_t unknown = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    if (!all && IsSettled(kinds)) break;
    if (unknown == kMostUnknown) {
      NoticeUnread(files[i], files.size() - i);
      break;
    }
    RCNN_ASSIGN_OR_RETURN(const bool known, Look(files[i], kinds));
    unknown += known ? 0 : 1;
  }
  return absl::OkStatus();
}

// Looks at a sample, and at files without an image of their name, such as lists and annotations of
// all images. Then at all others, where one annotates several images; or at as many as it takes to
// find the first that is recognised, because the label files of images without objects are empty.
absl::StatusOr<FolderContents::Kinds> FolderContents::LookAt(
    const std::vector<std::string>& files) {
  std::vector<std::string> first;
  std::vector<std::string> rest;
  const size_t step = std::max<size_t>(1, files.size() / kSample);
  for (size_t i = 0; i < files.size(); ++i) {
    if (IsNamesFile(files[i])) continue;
    const bool early = i % step == 0 || FindFolders(files[i]) == nullptr;
    (early ? first : rest).push_back(files[i]);
  }
  Kinds kinds;
  RCNN_RETURN_IF_ERROR(LookThrough(first, /*all=*/true, kinds));
  RCNN_RETURN_IF_ERROR(LookThrough(rest, /*all=*/false, kinds));
  for (auto& [kind, found] : kinds) std::sort(found.begin(), found.end());
  return kinds;
}

void FolderContents::NoticeUnread(const std::string& file, size_t count) {
  notices_.push_back(absl::StrCat(
      count, " of the ", Extension(file), " files in ",
      ParentPart(file).empty() ? "the folder itself" : ParentPart(file), ", such as ", file, ", ",
      Noun(static_cast<int64_t>(count), "is", "are"), " not read, because ", kMostUnknown,
      " others there have none of the formats; move away what annotates no image"));
}

// Every kind that is found gets an entry (AnnotationFolder::files).
absl::Status FolderContents::Classify(const std::string& folder,
                                      const std::vector<std::string>& files) {
  RCNN_ASSIGN_OR_RETURN(Kinds kinds, LookAt(files));
  for (auto& [kind, found] : kinds) {
    std::vector<std::string> all = std::move(found);
    if (IsOneEach(kind)) {
      all.clear();
      for (const std::string& file : files) {
        const bool other = coco_images_.count(file) > 0 || IsNamesFile(file);
        if (!other) all.push_back(file);
      }
    }
    annotations_.push_back({folder, kind, std::move(all)});
  }
  return absl::OkStatus();
}

std::vector<AnnotationFolder> FolderContents::annotations(AnnotationKind kind) const {
  std::vector<AnnotationFolder> found;
  for (const AnnotationFolder& folder : annotations_) {
    if (folder.kind == kind) found.push_back(folder);
  }
  return found;
}

const std::vector<int32_t>* FolderContents::FindFolders(absl::string_view file) const {
  auto found = folders_by_stem_.find(StemPart(file));
  // Some tools keep the extension of the image: "a.jpg.txt".
  if (found == folders_by_stem_.end()) {
    found = folders_by_stem_.find(WithoutImageExtension(StemPart(file)));
  }
  return found == folders_by_stem_.end() ? nullptr : &found->second;
}

std::vector<std::string> FolderContents::WithoutImages(const AnnotationFolder& annotations) const {
  std::vector<std::string> files;
  for (const std::string& file : annotations.files) {
    if (FindFolders(file) == nullptr) files.push_back(file);
  }
  return files;
}

std::optional<std::string> FolderContents::FindImages(const AnnotationFolder& annotations) const {
  std::map<int32_t, int64_t> hits;
  for (const std::string& file : annotations.files) {
    const std::vector<int32_t>* const folders = FindFolders(file);
    if (folders == nullptr) continue;
    for (const int32_t folder : *folders) ++hits[folder];
  }
  std::optional<std::string> best;
  std::tuple<int64_t, int64_t> best_score(0, 0);
  for (const auto& [folder, count] : hits) {
    const std::string& path = image_folders_[static_cast<size_t>(folder)];
    const std::tuple<int64_t, int64_t> score(count, PathSimilarity(annotations.folder, path));
    if (best && score <= best_score) continue;
    best = path;
    best_score = score;
  }
  return best;
}

absl::StatusOr<std::optional<std::string>> FolderContents::FolderWith(
    const std::vector<std::string>& names, absl::string_view near) const {
  std::map<std::string, int64_t> hits;
  for (const std::string& name : names) {
    const absl::StatusOr<std::string> path = NameInFolder(folder_, name);
    if (IsUnreadableNow(path.status())) return path.status();
    if (!path.ok()) continue;
    const bool absolute = absl::StartsWith(name, "/");
    const absl::string_view plain = absl::StripPrefix(*path, "./");
    const auto found = folders_by_stem_.find(WithoutImageExtension(FilePart(plain)));
    if (found == folders_by_stem_.end()) continue;
    for (const int32_t index : found->second) {
      const std::string& folder = image_folders_[static_cast<size_t>(index)];
      const absl::string_view inner = ParentPart(plain);
      if (absolute) {
        if (folder == inner) AddFoldersAround(inner, hits);
      } else if (inner.empty() || folder == inner) {
        ++hits[inner.empty() ? folder : ""];
      } else if (absl::EndsWith(folder, absl::StrCat("/", inner))) {
        ++hits[folder.substr(0, folder.size() - inner.size() - 1)];
      }
    }
  }
  std::optional<std::string> best;
  std::tuple<int64_t, int64_t> best_score(0, 0);
  for (const auto& [folder, count] : hits) {
    const std::tuple<int64_t, int64_t> score(count, PathSimilarity(near, folder));
    if (best && score <= best_score) continue;
    best = folder;
    best_score = score;
  }
  return best;
}

bool FolderContents::HasFile(absl::string_view path) const {
  return std::binary_search(files_.begin(), files_.end(), path);
}

bool FolderContents::HasImage(absl::string_view path) const {
  return std::binary_search(images_.begin(), images_.end(), path);
}

bool FolderContents::HasImages(absl::string_view folder) const {
  return std::any_of(image_folders_.begin(), image_folders_.end(),
                     [&](const std::string& path) { return IsInside(path, folder); });
}

}  // namespace rcnn::data
