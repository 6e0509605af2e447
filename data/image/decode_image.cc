#include "rcnn/data/image/decode_image.h"

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "opencv2/core.hpp"
#include "opencv2/imgcodecs.hpp"
#include "opencv2/imgproc.hpp"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/exif_orientation.h"
#include "rcnn/data/image/image_codecs.h"
#include "rcnn/data/image/image_header.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::data {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{256} << 20;

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
  // OpenCV fills the missing part of a JPEG with arbitrary pixels.
  if (header.format == ImageFormat::kJpeg && !JpegIsComplete(bytes)) {
    return absl::InvalidArgumentError("a JPEG that is cut off (no end-of-image marker)");
  }
  return absl::OkStatus();
}

absl::StatusOr<cv::Mat> DecodeToBgr(absl::string_view bytes) {
  const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
  try {
    return LoadedImdecode(buffer, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("not decodable: ", error.err));
  }
}

bool IsWhole(const cv::Mat& bgr, const ImageHeader& header) {
  return bgr.cols == header.width && bgr.rows == header.height && bgr.type() == CV_8UC3 &&
         bgr.isContinuous();
}

}  // namespace

absl::StatusOr<Image> DecodeImage(absl::string_view bytes, const DecodeOptions& options) {
  RCNN_ASSIGN_OR_RETURN(ImageHeader header, ParseImageHeader(bytes));
  RCNN_RETURN_IF_ERROR(CheckBefore(bytes, header, options));
  RCNN_ASSIGN_OR_RETURN(cv::Mat bgr, DecodeToBgr(bytes));
  if (!IsWhole(bgr, header)) {
    return absl::InvalidArgumentError("damaged or cut off: not decodable");
  }
  Image image(bgr.rows, bgr.cols);
  // As one row, which OpenCV does not distribute over its own threads.
  cv::Mat rgb(1, static_cast<int>(bgr.total()), CV_8UC3, image.data());
  cv::cvtColor(bgr.reshape(3, 1), rgb, cv::COLOR_BGR2RGB);
  if (!options.apply_exif_orientation) return image;
  return TurnImage(std::move(image), ParseExifOrientation(bytes));
}

absl::StatusOr<Image> ReadImage(const std::string& path, const DecodeOptions& options) {
  RCNN_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, {.max_bytes = kMaxFileBytes}));
  RCNN_ASSIGN_OR_RETURN(Image image, DecodeImage(bytes, options), path);
  return image;
}

}  // namespace rcnn::data
