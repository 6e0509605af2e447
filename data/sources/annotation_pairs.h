// Folders of annotations with a file per image, each with the folder of its images (VOC, YOLO,
// LabelMe).
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(
//       const std::vector<AnnotationPair> pairs,
//       FindPairs(contents, AnnotationKind::kYolo, "YOLO", /*widen=*/true, notices));
//   pairs[0].images;   // "images/train"
//   pairs[0].Where();  // "labels/train (40 files)"

#ifndef RCNN_DATA_SOURCES_ANNOTATION_PAIRS_H_
#define RCNN_DATA_SOURCES_ANNOTATION_PAIRS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/sources/file_kind.h"
#include "rcnn/data/sources/folder_contents.h"
#include "rcnn/data/sources/part_place.h"

namespace rcnn::data {

// A folder of annotations and the folder of their images, relative to the whole folder.
struct AnnotationPair {
  std::string annotations;
  std::string images;
  int64_t files = 0;

  // The part after which one of the two is named; "" if none is.
  std::string part() const;
  // For messages: "labels/train (40 files)".
  std::string Where() const;
};

// Pairs of all folders of a kind, each once, with a notice for each folder without images.
// `format`: the kind's name, for messages. `widen`: folders inside a part are read with it, so that
// labels/train/day and images/train/day become labels/train and images/train.
//
// kInvalidArgument, naming the folder and a file, if no file has images. Also the errors of
// ReadFile and FolderContents::FolderWith that say that a file cannot be read now.
absl::StatusOr<std::vector<AnnotationPair>> FindPairs(const FolderContents& contents,
                                                      AnnotationKind kind, absl::string_view format,
                                                      bool widen, Notices& notices);

// kInvalidArgument for pairs inside another's folder of images, which would be read twice.
absl::Status CheckApart(const FolderContents& contents, const std::vector<AnnotationPair>& pairs);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_ANNOTATION_PAIRS_H_
