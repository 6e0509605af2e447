// Encodes an image as a PNG file with libpng. Other code calls encode_image.h.

#ifndef RCNN_DATA_IMAGE_PNG_ENCODER_H_
#define RCNN_DATA_IMAGE_PNG_ENCODER_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

// RGB, 8 bits, without loss. kInvalidArgument for an image without pixels.
absl::StatusOr<std::string> EncodeAsPng(const Image& image);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_PNG_ENCODER_H_
