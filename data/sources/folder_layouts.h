// How each format lays out a folder: one function per format finds its parts.
//
// Example:
//   Notices notices;
//   RCNN_ASSIGN_OR_RETURN(std::vector<PartPlace> places, FindYolo(contents, notices));

#ifndef RCNN_DATA_SOURCES_FOLDER_LAYOUTS_H_
#define RCNN_DATA_SOURCES_FOLDER_LAYOUTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/sources/folder_contents.h"

namespace rcnn::data {

// Some annotated images.
struct PartPlace {
  // "train", "val", "test", or "" where nothing says.
  std::string part;
  // Paths are relative to the folder.
  configs::DatasetConfig config;
  // For messages: "labels/train (40 files)".
  std::string where;
};

using Notices = std::vector<std::string>;

// Each returns the places of its format, none if the folder has no annotations of it, and
// appends to `notices` what the user should know. kInvalidArgument, naming the folder and a
// file, for annotations that can be parsed but not used: they fit no images (VOC, COCO, YOLO,
// LabelMe), lie inside one another (YOLO, LabelMe), compete for one part (COCO), have no
// class names, or lists that fit two images of one name (YOLO). Also the errors of ReadFile and of
// the format's parser.
absl::StatusOr<std::vector<PartPlace>> FindVoc(const FolderContents& contents, Notices& notices);
absl::StatusOr<std::vector<PartPlace>> FindCoco(const FolderContents& contents, Notices& notices);
absl::StatusOr<std::vector<PartPlace>> FindYolo(const FolderContents& contents, Notices& notices);
absl::StatusOr<std::vector<PartPlace>> FindLabelMe(const FolderContents& contents,
                                                   Notices& notices);
absl::StatusOr<std::vector<PartPlace>> FindCvat(const FolderContents& contents, Notices& notices);
absl::StatusOr<std::vector<PartPlace>> FindCsv(const FolderContents& contents, Notices& notices);
absl::StatusOr<std::vector<PartPlace>> FindShards(const FolderContents& contents, Notices& notices);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_FOLDER_LAYOUTS_H_
