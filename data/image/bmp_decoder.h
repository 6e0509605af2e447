// Decodes a BMP file. Other code calls decode_image.h.
//
// 1, 4 and 8 bits with a palette, plain or run-length encoded, 16 (5-5-5 and 5-6-5,
// each in the upper bits of its byte), 24 and 32 bits (the fourth byte is dropped);
// headers of OS/2 and of Windows from version 3 on; rows in either order. Pixels that a
// run-length encoded file skips have the palette's first colour, and indices beyond the
// palette are black.
//
// This decoder is the project's own: no small library that is maintained against hostile
// files reads the run-length encoded kinds.
//
// Source: Microsoft, "Bitmap Storage" and "Bitmap Compression" (Windows GDI).

#ifndef RCNN_DATA_IMAGE_BMP_DECODER_H_
#define RCNN_DATA_IMAGE_BMP_DECODER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

// Fills `image`, which has the size that the file's header gives. kInvalidArgument,
// saying why, for damage; `image` is then unspecified.
absl::Status DecodeBmp(absl::string_view bytes, Image& image);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_BMP_DECODER_H_
