// Decodes JPEG, PNG, BMP and WebP images to RGB, 8 bits per channel.
//
// Uses OpenCV. The EXIF orientation is not applied by default, because annotations belong to
// the stored image. Grey becomes RGB, 16 bits become 8 (the upper half), palettes are
// resolved, alpha is dropped.
//
// An image that is cut off, or that claims more pixels than the limit, is an error
// before memory of that size is allocated. Thread-safe; runs on the calling thread
// only.
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
  // An image with more pixels is an error (a file of kilobytes can claim
  // gigabytes).
  int64_t max_pixels = 100'000'000;
  // Rotate and mirror the image according to its EXIF orientation, as viewers do.
  bool apply_exif_orientation = false;
};

// kInvalidArgument, saying why, for bytes that are not a complete image in one of
// the formats; kResourceExhausted for an image over the limit.
absl::StatusOr<Image> DecodeImage(absl::string_view bytes, const DecodeOptions& options = {});

// The same for a file of at most 256 MiB. Errors begin with the path.
absl::StatusOr<Image> ReadImage(const std::string& path, const DecodeOptions& options = {});

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_DECODE_IMAGE_H_
