// Format and size of an image, from the first bytes of its file.
//
// Decodes no pixels and allocates nothing of their size, so it is safe for untrusted
// files: decode_image.h uses it to refuse images that are too large, and the VOC reader
// compares it with the annotations. Reads JPEG (ITU-T T.81), PNG, BMP, WebP, GIF and
// TIFF; the size is that of the first image of a file. It is that of the stored image;
// EXIF orientation is not applied, because annotations belong to the stored image.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(ImageHeader header, ReadImageHeader(path));

#ifndef RCNN_DATA_IMAGE_IMAGE_HEADER_H_
#define RCNN_DATA_IMAGE_IMAGE_HEADER_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

enum class ImageFormat { kJpeg, kPng, kBmp, kWebp, kGif, kTiff };

struct ImageHeader {
  ImageFormat format = ImageFormat::kJpeg;
  int64_t width = 0;   // > 0
  int64_t height = 0;  // > 0
};

// kInvalidArgument, saying why, if `bytes` do not begin like one of the formats,
// end within the header, or give no positive size. `bytes` may be cut off after
// the header.
absl::StatusOr<ImageHeader> ParseImageHeader(absl::string_view bytes);

// The same for a file, of which only the pages with the header are read. Errors
// begin with the path.
absl::StatusOr<ImageHeader> ReadImageHeader(const std::string& path);

// True if a JPEG file has an end-of-image marker after its last scan, that is,
// was not cut off. `bytes` is a whole file that begins with a JPEG header.
bool JpegIsComplete(absl::string_view bytes);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_IMAGE_HEADER_H_
