// Finds the image that an annotation names, among those of a folder.
//
// Annotations name images as on the machine of the labelling tool: with its folders, with
// backslashes, with another extension. Only listed files are found, so no name can leave
// the folder.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(ImageFinder finder, ImageFinder::Create("cells/images", {}));
//   RCNN_ASSIGN_OR_RETURN(std::string name, finder.Find("C:\\work\\images\\a.jpg"));  // "a.jpg"

#ifndef RCNN_DATA_CORE_IMAGE_FINDER_H_
#define RCNN_DATA_CORE_IMAGE_FINDER_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/folder_listing.h"

namespace rcnn::data {

class ImageFinder {
 public:
  // Finds among all files in `folder` and below with the extension of an image. Errors: those of
  // ListFiles.
  static absl::StatusOr<ImageFinder> Create(const std::string& folder,
                                            const ListingOptions& options = {});

  // `images` are relative to `folder`.
  ImageFinder(std::string folder, std::vector<std::string> images);

  // The image, relative to the folder: the one of this name; else the one whose path
  // shares the longest end with it; else the one of the same name but for its extension.
  // "train/a.jpg" is not "val/a.jpg" if there are images in a folder train.
  // kNotFound if there is none, kInvalidArgument, naming them, for two that fit equally;
  // kPermissionDenied if there is none and the name leads out of the folder.
  absl::StatusOr<std::string> Find(absl::string_view name) const;

  const std::string& folder() const { return folder_; }
  // Sorted.
  const std::vector<std::string>& images() const { return images_; }

 private:
  absl::StatusOr<std::string> Best(const std::vector<int64_t>& candidates,
                                   absl::string_view name) const;

  std::string folder_;
  std::vector<std::string> images_;
  absl::flat_hash_map<std::string, std::vector<int64_t>> by_file_;
  absl::flat_hash_map<std::string, std::vector<int64_t>> by_stem_;
  // Of the folders with images, the last parts of their paths.
  absl::flat_hash_set<std::string> folder_names_;
};

// The defect of an image that ImageFinder::Find did not find: kUnsafeFileName for
// kPermissionDenied, kMissingImage for the other errors.
DefectKind DefectOfMissingImage(const absl::Status& error);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_IMAGE_FINDER_H_
