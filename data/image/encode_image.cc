#include "rcnn/data/image/encode_image.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/jpeg_encoder.h"
#include "rcnn/data/image/png_encoder.h"

namespace rcnn::data {

absl::StatusOr<std::string> EncodePng(const Image& image) { return EncodeAsPng(image); }

absl::StatusOr<std::string> EncodeJpeg(const Image& image, int quality) {
  return EncodeAsJpeg(image, quality);
}

absl::Status CheckCanEncodeFor(absl::string_view path) {
  for (const char* extension : {".png", ".jpg", ".jpeg"}) {
    if (absl::EndsWithIgnoreCase(path, extension)) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is not the name of a .jpg, .jpeg or .png file"));
}

absl::StatusOr<std::string> EncodeFor(absl::string_view path, const Image& image) {
  RCNN_RETURN_IF_ERROR(CheckCanEncodeFor(path));
  return absl::EndsWithIgnoreCase(path, ".png") ? EncodePng(image) : EncodeJpeg(image);
}

}  // namespace rcnn::data
