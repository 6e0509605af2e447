// What recognition finds: the annotated images of one part, with the config that reads them.
//
// One function per format finds the places of a folder (voc_layout.h, coco_layout.h, yolo_layout.h,
// labelme_layout.h, one_file_layouts.h). Each returns none if the folder has no annotations of its
// format, and appends to `notices` what the user should know.
//
// Example:
//   PartPlace place;
//   place.part = "train";
//   place.config.mutable_labelme();
//   SetCommonFields(place.config);

#ifndef RCNN_DATA_SOURCES_PART_PLACE_H_
#define RCNN_DATA_SOURCES_PART_PLACE_H_

#include <string>
#include <vector>

#include "rcnn/configs/dataset.pb.h"

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

// Sets the fields that all formats of annotations share: boxes may leave their image by a pixel,
// and the annotated sizes say whether images are turned.
void SetCommonFields(configs::DatasetConfig& config);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_PART_PLACE_H_
