// YOLO in a folder: labels beside the images or in labels/, with parts from data.yaml, from the
// lists train.txt, val.txt and test.txt, or from the names of folders.
//
// Example:
//   Notices notices;
//   RCNN_ASSIGN_OR_RETURN(std::vector<PartPlace> places, FindYolo(contents, notices));

#ifndef RCNN_DATA_SOURCES_YOLO_LAYOUT_H_
#define RCNN_DATA_SOURCES_YOLO_LAYOUT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/sources/folder_contents.h"
#include "rcnn/data/sources/part_place.h"

namespace rcnn::data {

// As part_place.h says. kInvalidArgument, naming the folder and a file, for labels that fit no
// images, lie inside one another or have no class names, and for lists that fit two images of one
// name. Also the errors of FindYaml and FindNameLists (yolo_folder_names.h).
absl::StatusOr<std::vector<PartPlace>> FindYolo(const FolderContents& contents, Notices& notices);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_YOLO_LAYOUT_H_
