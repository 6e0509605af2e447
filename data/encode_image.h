// Encodes pictures as PNG or JPEG files.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(std::string bytes, EncodePng(image));

#ifndef RCNN_DATA_ENCODE_IMAGE_H_
#define RCNN_DATA_ENCODE_IMAGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/data/image.h"

namespace rcnn::data {

// Without loss. kInvalidArgument for a picture without pixels.
absl::StatusOr<std::string> EncodePng(const Image& image);

// quality: 0 to 100. kInvalidArgument for a picture without pixels.
absl::StatusOr<std::string> EncodeJpeg(const Image& image, int quality = 92);

}  // namespace rcnn::data

#endif  // RCNN_DATA_ENCODE_IMAGE_H_
