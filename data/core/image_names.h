// Names of images with and without what a file's format adds to them.
//
// VOC calls an image "2008_000008", COCO "2008_000008.jpg". Who writes a dataset
// to files of his own names them after the part that both share.

#ifndef RCNN_DATA_CORE_IMAGE_NAMES_H_
#define RCNN_DATA_CORE_IMAGE_NAMES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::data {

// "a.b" for "a.b.JPG": without the extension, in whatever case, of a format that
// can be read (decode_image.h). Any other name stays as it is.
std::string WithoutImageExtension(absl::string_view name);

// kInvalidArgument, naming it, if two images would be written to one file: their
// names differ in the extension only, or not at all.
absl::Status CheckImageNamesDiffer(const Dataset& dataset);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_IMAGE_NAMES_H_
