#include "rcnn/data/image/encode_image.h"

#include <cstdint>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "opencv2/core.hpp"
#include "opencv2/imgcodecs.hpp"
#include "opencv2/imgproc.hpp"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/image_codecs.h"

namespace rcnn::data {
namespace {

absl::StatusOr<std::string> Encode(const Image& image, const char* extension,
                                   const std::vector<int>& parameters) {
  if (image.size_bytes() == 0) return absl::InvalidArgumentError("an image without pixels");
  const cv::Mat rgb(static_cast<int>(image.height()), static_cast<int>(image.width()), CV_8UC3,
                    const_cast<uint8_t*>(image.data()));
  try {
    cv::Mat bgr;
    cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
    std::vector<uint8_t> bytes;
    if (!LoadedImencode(extension, bgr, bytes, parameters)) {
      return absl::InternalError(absl::StrCat("not encodable as ", extension));
    }
    return std::string(bytes.begin(), bytes.end());
  } catch (const cv::Exception& error) {
    return absl::InternalError(absl::StrCat("not encodable as ", extension, ": ", error.err));
  }
}

}  // namespace

absl::StatusOr<std::string> EncodePng(const Image& image) {
  return Encode(image, ".png", {cv::IMWRITE_PNG_COMPRESSION, 3});
}

absl::StatusOr<std::string> EncodeJpeg(const Image& image, int quality) {
  return Encode(image, ".jpg", {cv::IMWRITE_JPEG_QUALITY, quality});
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
