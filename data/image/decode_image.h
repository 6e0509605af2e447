// Decodes JPEG, PNG, BMP, WebP, GIF and TIFF images to RGB, 8 bits per channel.
//
// Each format has its decoder beside this file (jpeg_decoder.h, …), which uses the
// format's usual library. Of an animation, or a file of several images, the first image
// is decoded. The EXIF orientation is not applied by default, because annotations belong
// to the stored image. Grey becomes RGB, 16 bits become 8 (the upper half; LibTIFF rounds
// colours), palettes are resolved, CMYK becomes RGB as Adobe's programs store it, alpha is
// dropped.
//
// An image that is cut off or damaged is an error; so is one that claims more pixels than
// the limit, before memory of that size is allocated. Damage that a format cannot reveal is
// not found: a changed byte of an uncompressed file, or a change in a JPEG after which
// the decoder resynchronises at the right block. Decoders print nothing.
// Thread-safe; runs on the calling thread only.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(Image image, ReadImage(path));

#ifndef RCNN_DATA_IMAGE_DECODE_IMAGE_H_
#define RCNN_DATA_IMAGE_DECODE_IMAGE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

struct DecodeOptions {
  // An image of more pixels is refused (a file of kilobytes can claim
  // gigabytes).
  int64_t max_pixels = 100'000'000;
  // Turns and mirrors the image as its EXIF orientation says, as viewers do.
  bool apply_exif_orientation = false;
};

// kInvalidArgument, saying why, for bytes that are not a whole image of one of
// the formats; kResourceExhausted for one over the limit.
absl::StatusOr<Image> DecodeImage(absl::string_view bytes, const DecodeOptions& options = {});

// The same for a file of at most kMaxImageFileBytes (image.h). Errors begin with the path.
absl::StatusOr<Image> ReadImage(const std::string& path, const DecodeOptions& options = {});

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_DECODE_IMAGE_H_
