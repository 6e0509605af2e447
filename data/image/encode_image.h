// Encodes images as PNG or JPEG files.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(std::string bytes, EncodePng(image));

#ifndef RCNN_DATA_IMAGE_ENCODE_IMAGE_H_
#define RCNN_DATA_IMAGE_ENCODE_IMAGE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

// Lossless. kInvalidArgument for an image without pixels.
absl::StatusOr<std::string> EncodePng(const Image& image);

// quality: 0 to 100. kInvalidArgument for an image without pixels.
absl::StatusOr<std::string> EncodeJpeg(const Image& image, int quality = 92);

// Encodes in the format of the file extension: .png, .jpg or .jpeg, in any case.
// kInvalidArgument for other extensions.
absl::StatusOr<std::string> EncodeFor(absl::string_view path, const Image& image);
absl::Status CheckCanEncodeFor(absl::string_view path);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_ENCODE_IMAGE_H_
