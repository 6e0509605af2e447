// The files of a folder for recognition: images and annotations by subfolder, and which
// folder of images belongs to which folder of annotations.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const FolderContents contents, FolderContents::Read("cells", {}));
//   contents.FindImages({"labels/train", AnnotationKind::kYolo, {}});  // "images/train"

#ifndef RCNN_DATA_SOURCES_FOLDER_CONTENTS_H_
#define RCNN_DATA_SOURCES_FOLDER_CONTENTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/sources/file_kind.h"

namespace rcnn::data {

// Annotation files of one kind in one folder.
struct AnnotationFolder {
  // Relative to FolderContents::folder(); "" for that folder itself.
  std::string folder;
  AnnotationKind kind = AnnotationKind::kNone;
  // Their paths. Of kVoc, kYolo and kLabelMe, which have a file per image, only a sample is
  // read, and all files of the folder with that extension are listed; other kinds list the
  // files that are of this kind.
  std::vector<std::string> files;
};

class FolderContents {
 public:
  // Errors: those of ListFiles and ReadFileKind.
  static absl::StatusOr<FolderContents> Read(const std::string& folder,
                                             const ListingOptions& options);

  const std::string& folder() const { return folder_; }
  // Sorted, like the images.
  const std::vector<std::string>& files() const { return files_; }
  const std::vector<std::string>& images() const { return images_; }
  // Of the kind, sorted by folder.
  std::vector<AnnotationFolder> annotations(AnnotationKind kind) const;
  // Why files are not read (FileKind::obstacle), each with the first file that it concerns.
  const std::map<std::string, std::string>& obstacles() const { return obstacles_; }

  // What the user should know of other files that are not read.
  const std::vector<std::string>& notices() const { return notices_; }

  // The folder with images for the most of these files (names are compared without
  // extensions); of several, the one with the most similar path. nullopt if none has any.
  std::optional<std::string> FindImages(const AnnotationFolder& annotations) const;

  // Those of the files for which no folder has an image.
  std::vector<std::string> WithoutImages(const AnnotationFolder& annotations) const;

  // The FOLDER such that FOLDER/name is an image for the most of `names`, which may be absolute; of
  // several, the one whose path is most similar to `near`. nullopt if there is none. An error of
  // NameInFolder for a path that cannot be examined now.
  absl::StatusOr<std::optional<std::string>> FolderWith(const std::vector<std::string>& names,
                                                        absl::string_view near) const;

  // Whether there is a file, or an image file, of this path.
  bool HasFile(absl::string_view path) const;
  bool HasImage(absl::string_view path) const;

  // Whether an image lies in the folder or below it.
  bool HasImages(absl::string_view folder) const;

  // The first image names of each COCO file, by file.
  const std::map<std::string, std::vector<std::string>>& coco_images() const {
    return coco_images_;
  }

 private:
  // Files by their kind.
  using Kinds = std::map<AnnotationKind, std::vector<std::string>>;

  // Reads the file and keeps what it says. False if it is none of the formats.
  absl::StatusOr<bool> Look(const std::string& file, Kinds& kinds);
  // Looks at the files one by one, until they tell nothing new unless `all`, and until too many are
  // none of the formats.
  absl::Status LookThrough(const std::vector<std::string>& files, bool all, Kinds& kinds);
  absl::StatusOr<Kinds> LookAt(const std::vector<std::string>& files);
  // `count` files, of which `file` is one, are not looked at.
  void NoticeUnread(const std::string& file, size_t count);
  absl::Status Classify(const std::string& folder, const std::vector<std::string>& files);
  // The folders with an image for the annotation file; null if there are none.
  const std::vector<int32_t>* FindFolders(absl::string_view file) const;

  std::string folder_;
  std::vector<std::string> files_;
  std::vector<std::string> images_;
  std::vector<AnnotationFolder> annotations_;
  std::map<std::string, std::string> obstacles_;
  std::vector<std::string> notices_;
  std::map<std::string, std::vector<std::string>> coco_images_;
  // From a name without folder and extension to the folders with such an image.
  absl::flat_hash_map<std::string, std::vector<int32_t>> folders_by_stem_;
  std::vector<std::string> image_folders_;
};

// Whether a text file is not one of labels, though it lies beside them: names of classes, a readme,
// a licence.
bool IsNamesFile(absl::string_view file);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_FOLDER_CONTENTS_H_
