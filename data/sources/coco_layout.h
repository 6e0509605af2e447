// COCO in a folder: one JSON file, or one for each part, and the folders of the images they name.
//
// Example:
//   Notices notices;
//   RCNN_ASSIGN_OR_RETURN(std::vector<PartPlace> places, FindCoco(contents, notices));

#ifndef RCNN_DATA_SOURCES_COCO_LAYOUT_H_
#define RCNN_DATA_SOURCES_COCO_LAYOUT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/sources/folder_contents.h"
#include "rcnn/data/sources/part_place.h"

namespace rcnn::data {

// As part_place.h says. Files whose images are not in the folder are left out with a notice.
// kInvalidArgument, naming the folder and a file, if that leaves none, and for two files that
// compete for one part. Also the errors of FolderContents::FolderWith.
absl::StatusOr<std::vector<PartPlace>> FindCoco(const FolderContents& contents, Notices& notices);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_COCO_LAYOUT_H_
