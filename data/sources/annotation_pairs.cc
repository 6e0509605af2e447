#include "rcnn/data/sources/annotation_pairs.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/labelme/labelme_annotation.h"
#include "rcnn/data/sources/part_folders.h"
#include "rcnn/data/voc/voc_annotation.h"

namespace rcnn::data {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{2} << 30;

// "images/train/day" and "labels/train/day" become "images/train" and "labels/train":
// folders inside a part are read with it. The name of a part is never removed.
void WidenPair(AnnotationPair& pair) {
  const std::string part = pair.part();
  for (;;) {
    if (pair.annotations.empty() || pair.images.empty() ||
        FilePart(pair.annotations) != FilePart(pair.images)) {
      return;
    }
    AnnotationPair wider = pair;
    wider.annotations = std::string(ParentPart(pair.annotations));
    wider.images = std::string(ParentPart(pair.images));
    if (wider.part() != part) return;
    pair = wider;
  }
}

// YOLO's reader starts from the images, so it does not see such files, whose images may be in a
// format that is not read, such as .heic. The other readers report theirs as defects.
absl::Status NoticeLabelsWithoutImages(const FolderContents& contents,
                                       const AnnotationFolder& folder, Notices& notices) {
  std::vector<std::string> labels;
  for (std::string& file : contents.WithoutImages(folder)) {
    RCNN_ASSIGN_OR_RETURN(const FileKind kind,
                          ReadFileKind(absl::StrCat(contents.folder(), "/", file)));
    if (kind.kind == AnnotationKind::kYolo) labels.push_back(std::move(file));
  }
  if (labels.empty()) return absl::OkStatus();
  notices.push_back(absl::StrCat(
      labels.size(), labels.size() == 1 ? " label file has" : " label files have",
      " no image of the same name and a format that is read, the first ", labels.front()));
  return absl::OkStatus();
}

// The image that a file of VOC or LabelMe names inside, without its folders; "" if it names none.
// An error says that the file cannot be read now.
absl::StatusOr<std::string> ReadImageName(const std::string& path, AnnotationKind kind) {
  const absl::StatusOr<std::string> bytes = ReadFile(path, {.max_bytes = kMaxFileBytes});
  if (IsUnreadableNow(bytes.status())) return bytes.status();
  if (!bytes.ok()) return std::string();
  std::string name;
  if (kind == AnnotationKind::kVoc) {
    if (const auto annotation = ParseVocAnnotation(*bytes); annotation.ok()) {
      name = annotation->file_name;
    }
  } else if (kind == AnnotationKind::kLabelMe) {
    if (const auto annotation = ParseLabelMe(*bytes); annotation.ok()) {
      name = annotation->image_path;
    }
  }
  return std::string(FilePart(absl::StrReplaceAll(name, {{"\\", "/"}})));
}

// The folder of the images that some of the files name inside.
absl::StatusOr<std::optional<std::string>> FindNamedImages(const FolderContents& contents,
                                                           const AnnotationFolder& folder) {
  std::vector<std::string> names;
  for (const std::string& file : Spread(folder.files)) {
    RCNN_ASSIGN_OR_RETURN(std::string name,
                          ReadImageName(absl::StrCat(contents.folder(), "/", file), folder.kind));
    if (!name.empty()) names.push_back(std::move(name));
  }
  return FolderOfPartWith(contents, names, folder.folder);
}

}  // namespace

std::string AnnotationPair::part() const {
  const std::string part = PartName(annotations);
  return part.empty() ? PartName(images) : part;
}

std::string AnnotationPair::Where() const {
  return absl::StrCat(annotations.empty() ? "the folder itself" : annotations, " (", files,
                      files == 1 ? " file)" : " files)");
}

absl::StatusOr<std::vector<AnnotationPair>> FindPairs(const FolderContents& contents,
                                                      AnnotationKind kind, absl::string_view format,
                                                      bool widen, Notices& notices) {
  std::map<std::pair<std::string, std::string>, AnnotationPair> pairs;
  std::string lonely;
  for (const AnnotationFolder& folder : contents.annotations(kind)) {
    RCNN_ASSIGN_OR_RETURN(std::optional<std::string> images, FindImagesOfPart(contents, folder));
    if (!images) {
      RCNN_ASSIGN_OR_RETURN(images, FindNamedImages(contents, folder));
    }
    if (!images) {
      lonely = folder.files.front();
      notices.push_back(absl::StrCat(
          AnnotationPair{folder.folder, "", static_cast<int64_t>(folder.files.size())}.Where(),
          " looks like ", format,
          ", but no image has the name of one of its files, so it is not "
          "read"));
      continue;
    }
    if (kind == AnnotationKind::kYolo) {
      RCNN_RETURN_IF_ERROR(NoticeLabelsWithoutImages(contents, folder, notices));
    }
    AnnotationPair pair = {folder.folder, *images, static_cast<int64_t>(folder.files.size())};
    if (widen) WidenPair(pair);
    const auto [place, is_new] = pairs.try_emplace({pair.annotations, pair.images}, pair);
    if (!is_new) place->second.files += pair.files;
  }
  std::vector<AnnotationPair> found;
  for (auto& [key, pair] : pairs) found.push_back(std::move(pair));
  if (found.empty() && !lonely.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(contents.folder(), ": ", lonely, " is a ", format, " annotation",
                     ", but no image in the folder is named like this or another one"));
  }
  return found;
}

absl::Status CheckApart(const FolderContents& contents, const std::vector<AnnotationPair>& pairs) {
  for (const AnnotationPair& outer : pairs) {
    for (const AnnotationPair& inner : pairs) {
      if (inner.images == outer.images || !IsInside(inner.images, outer.images)) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          contents.folder(), ": annotated images lie both in ",
          outer.images.empty() ? "the folder itself" : outer.images, " and in ", inner.images,
          " inside it; move them into separate folders, such as train and val"));
    }
  }
  return absl::OkStatus();
}

}  // namespace rcnn::data
