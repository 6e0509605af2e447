#include "rcnn/data/image/decode_image.h"

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/bmp_decoder.h"
#include "rcnn/data/image/exif_orientation.h"
#include "rcnn/data/image/gif_decoder.h"
#include "rcnn/data/image/image_header.h"
#include "rcnn/data/image/jpeg_decoder.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/image/png_decoder.h"
#include "rcnn/data/image/tiff_decoder.h"
#include "rcnn/data/image/webp_decoder.h"

namespace rcnn::data {
namespace {

absl::Status CheckBefore(absl::string_view bytes, const ImageHeader& header,
                         const DecodeOptions& options) {
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return absl::ResourceExhaustedError(absl::StrCat("a file of ", bytes.size(), " bytes"));
  }
  // By division: the product could overflow.
  if (header.height > options.max_pixels / header.width) {
    return absl::ResourceExhaustedError(absl::StrCat("its ", header.width, " x ", header.height,
                                                     " pixels are more than the limit of ",
                                                     options.max_pixels));
  }
  // Checked first, because the decoder would notice it only at the end.
  if (header.format == ImageFormat::kJpeg && !JpegIsComplete(bytes)) {
    return absl::InvalidArgumentError("a JPEG that is cut off (no end-of-image marker)");
  }
  return absl::OkStatus();
}

absl::Status DecodeFormat(ImageFormat format, absl::string_view bytes, Image& image) {
  switch (format) {
    case ImageFormat::kJpeg:
      return DecodeJpeg(bytes, image);
    case ImageFormat::kPng:
      return DecodePng(bytes, image);
    case ImageFormat::kBmp:
      return DecodeBmp(bytes, image);
    case ImageFormat::kWebp:
      return DecodeWebp(bytes, image);
    case ImageFormat::kGif:
      return DecodeGif(bytes, image);
    case ImageFormat::kTiff:
      return DecodeTiff(bytes, image);
  }
  return absl::InternalError("a format without a decoder");
}

}  // namespace

absl::StatusOr<Image> DecodeImage(absl::string_view bytes, const DecodeOptions& options) {
  RCNN_ASSIGN_OR_RETURN(ImageHeader header, ParseImageHeader(bytes));
  RCNN_RETURN_IF_ERROR(CheckBefore(bytes, header, options));
  Image image(header.height, header.width);
  RCNN_RETURN_IF_ERROR(DecodeFormat(header.format, bytes, image));
  if (!options.apply_exif_orientation) return image;
  return TurnImage(std::move(image), ParseExifOrientation(bytes));
}

absl::StatusOr<Image> ReadImage(const std::string& path, const DecodeOptions& options) {
  RCNN_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, {.max_bytes = kMaxImageFileBytes}));
  RCNN_ASSIGN_OR_RETURN(Image image, DecodeImage(bytes, options), path);
  return image;
}

}  // namespace rcnn::data
