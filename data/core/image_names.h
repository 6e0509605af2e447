// Names of images with and without a file extension.
//
// VOC calls an image "2008_000008", COCO "2008_000008.jpg". Written datasets name
// their files after the common part.

#ifndef RCNN_DATA_CORE_IMAGE_NAMES_H_
#define RCNN_DATA_CORE_IMAGE_NAMES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::data {

// "a.b" for "a.b.JPG": removes the extension, in any case, of a readable format
// (decode_image.h). Other names are unchanged.
std::string WithoutImageExtension(absl::string_view name);

// Whether the name ends like an image that can be read, in any case.
bool HasImageExtension(absl::string_view name);

// kInvalidArgument, naming it and both, if two images would be written to the same file:
// their names differ only in the extension, or not at all.
absl::Status CheckImageNamesDiffer(const Dataset& dataset);

// kInvalidArgument, naming it, for an image or a class whose name is not UTF-8: JSON cannot hold
// it, and with another name the image would not be found again, and the class be another one.
absl::Status CheckNamesAreUtf8(const Dataset& dataset);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_IMAGE_NAMES_H_
