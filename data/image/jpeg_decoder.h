// Decodes a JPEG file with libjpeg-turbo. Other code calls decode_image.h.
//
// CMYK and YCCK become RGB as Adobe's files mean them, inverted, whether or not
// an Adobe marker is there. What libjpeg repairs with a warning is an error here
// where it concerns pixels: entropy-coded data that end early, run on after the
// last block, or hold an impossible code. So are missing scans of a progressive file.
// Prints nothing.

#ifndef RCNN_DATA_IMAGE_JPEG_DECODER_H_
#define RCNN_DATA_IMAGE_JPEG_DECODER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

// Progressive files have some ten scans, and each of them takes the time of an image: one of
// thousands would take hours.
inline constexpr int kMaxJpegScans = 500;

// Fills `image`, which has the size that the file's header gives. kInvalidArgument,
// saying why, for damage; `image` is then unspecified.
absl::Status DecodeJpeg(absl::string_view bytes, Image& image);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_JPEG_DECODER_H_
