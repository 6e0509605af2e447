// Decodes a PNG file with libpng. Other code calls decode_image.h.
//
// 16 bits become 8 by their upper half, alpha is dropped, gamma is not applied.
// Prints nothing.

#ifndef RCNN_DATA_IMAGE_PNG_DECODER_H_
#define RCNN_DATA_IMAGE_PNG_DECODER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

// Fills `image`, which has the size that the file's header gives. kInvalidArgument,
// saying why, for damage; `image` is then unspecified.
absl::Status DecodePng(absl::string_view bytes, Image& image);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_PNG_DECODER_H_
