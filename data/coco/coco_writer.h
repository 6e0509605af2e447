// Writes datasets as a COCO instances file and a folder of images.
//
// Example:
//   RCNN_RETURN_IF_ERROR(WriteCoco(*dataset, "out/train.json", "out/train"));

#ifndef RCNN_DATA_COCO_COCO_WRITER_H_
#define RCNN_DATA_COCO_COCO_WRITER_H_

#include <string>

#include "absl/status/status.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::data {

// The instances file of all annotations; the image of index i is called
// "<name>.png", without the extension that its name may have had.
// Numbers are written with as many digits as it takes to read the same ones.
std::string CocoInstancesJson(const Dataset& dataset);

// Writes the instances file, and the images as PNG, so that not a bit changes.
// The folders are made if need be. kInvalidArgument if two images would have one
// file; otherwise the errors of loading and of writing.
absl::Status WriteCoco(const Dataset& dataset, const std::string& instances_file,
                       const std::string& images_folder);

}  // namespace rcnn::data

#endif  // RCNN_DATA_COCO_COCO_WRITER_H_
