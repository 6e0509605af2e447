// Decodes the first frame of a GIF file with GIFLIB. Other code calls decode_image.h.
//
// The image is the file's canvas, enlarged if the first frame extends beyond it.
// Around the frame it has the file's background colour. A transparent pixel has the
// colour that the palette gives it.

#ifndef RCNN_DATA_IMAGE_GIF_DECODER_H_
#define RCNN_DATA_IMAGE_GIF_DECODER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

struct GifSize {
  int64_t width = 0;
  int64_t height = 0;
};

// The size of the image that DecodeGif makes. Reads the file up to the pixels of the first
// frame. kInvalidArgument, saying why, for damage.
absl::StatusOr<GifSize> ReadGifSize(absl::string_view bytes);

// Fills `image`, which has that size. kInvalidArgument, saying why, for damage;
// `image` is then unspecified.
absl::Status DecodeGif(absl::string_view bytes, Image& image);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_GIF_DECODER_H_
