// Decodes a WebP file with libwebp. Other code calls decode_image.h.
//
// Of an animation it decodes the first frame; where the frame does not cover the canvas,
// the image is black. Alpha is dropped.

#ifndef RCNN_DATA_IMAGE_WEBP_DECODER_H_
#define RCNN_DATA_IMAGE_WEBP_DECODER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

// Fills `image`, which has the size that the file's header gives. kInvalidArgument,
// saying why, for damage; `image` is then unspecified.
absl::Status DecodeWebp(absl::string_view bytes, Image& image);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_WEBP_DECODER_H_
