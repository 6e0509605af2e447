// Decodes the first image of a TIFF file with LibTIFF. Other code calls decode_image.h.
//
// 1 to 16 bits for each sample; grey, RGB, palette, CMYK, YCbCr and CIE L*a*b*, in
// every compression that LibTIFF knows. Floating-point samples are refused. The
// image is the one as stored: the orientation that the file gives is not applied.
// Alpha is dropped. A strip or tile may take 64 MiB and 16 bytes for each pixel of
// the image. Prints nothing.

#ifndef RCNN_DATA_IMAGE_TIFF_DECODER_H_
#define RCNN_DATA_IMAGE_TIFF_DECODER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

struct TiffSize {
  int64_t width = 0;
  int64_t height = 0;
};

// Whether the file begins like a TIFF, of either byte order, with offsets of 32 or 64 bits.
bool IsTiff(absl::string_view bytes);

// Reads the first directory and no pixels. kInvalidArgument, saying why, for damage.
absl::StatusOr<TiffSize> ReadTiffSize(absl::string_view bytes);

// The same for the field Orientation (TIFF 6.0, tag 274), whose values are those of EXIF; 1 if
// there is none.
absl::StatusOr<int64_t> ReadTiffOrientation(absl::string_view bytes);

// Fills `image`, which has that size. kInvalidArgument, saying why, for damage and for
// unsupported kinds of TIFF; `image` is then unspecified.
absl::Status DecodeTiff(absl::string_view bytes, Image& image);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_TIFF_DECODER_H_
