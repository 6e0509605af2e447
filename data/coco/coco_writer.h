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

// The instances file of all annotations. The extension of an image's name becomes ".png".
// Numbers are written with enough digits to read back exactly.
std::string CocoInstancesJson(const Dataset& dataset);

// Writes the instances file, and the images losslessly as PNG. Missing folders are
// created. kInvalidArgument if two images would be written to the same file, and for the name
// of an image or a class that is not UTF-8. kAlreadyExists if one would replace a file with
// other contents (new_file.h), and before anything is written if the instances would.
// Otherwise the errors of loading and writing.
absl::Status WriteCoco(const Dataset& dataset, const std::string& instances_file,
                       const std::string& images_folder);

}  // namespace rcnn::data

#endif  // RCNN_DATA_COCO_COCO_WRITER_H_
