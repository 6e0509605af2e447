// Encodes an image as a JPEG file with libjpeg-turbo. Other code calls encode_image.h.

#ifndef RCNN_DATA_IMAGE_JPEG_ENCODER_H_
#define RCNN_DATA_IMAGE_JPEG_ENCODER_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

// Baseline, colours at half the resolution, quality 0 to 100. kInvalidArgument for an
// image without pixels or with a side of more than 65500.
absl::StatusOr<std::string> EncodeAsJpeg(const Image& image, int quality);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_JPEG_ENCODER_H_
