// What a reader needs to know about an image file before it trusts the annotation. Opens
// the file once and decodes nothing.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(ImageFacts facts, ReadImageFacts(path));

#ifndef RCNN_DATA_CORE_IMAGE_FACTS_H_
#define RCNN_DATA_CORE_IMAGE_FACTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/data/image/image_header.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::data {

struct ImageFacts {
  // The size is that of the image as stored.
  ImageHeader header;
  Orientation orientation = Orientation::kUpright;
};

// Errors are those of ReadImageHeader.
absl::StatusOr<ImageFacts> ReadImageFacts(const std::string& path);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_IMAGE_FACTS_H_
