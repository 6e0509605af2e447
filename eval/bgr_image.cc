#include "rcnn/eval/bgr_image.h"

#include <opencv2/imgproc.hpp>

#include "rcnn/data/image/encode_image.h"

namespace rcnn::eval {
namespace {

cv::Mat View(const data::Image& image) {
  return cv::Mat(static_cast<int>(image.height()), static_cast<int>(image.width()), CV_8UC3,
                 const_cast<uint8_t*>(image.data()));
}

}  // namespace

cv::Mat ToBgr(const data::Image& image) {
  cv::Mat bgr;
  cv::cvtColor(View(image), bgr, cv::COLOR_RGB2BGR);
  return bgr;
}

absl::StatusOr<std::string> EncodeBgrAsJpeg(const cv::Mat& bgr, int quality) {
  const data::Image image(bgr.rows, bgr.cols);
  cv::Mat rgb = View(image);
  if (!bgr.empty()) cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
  return data::EncodeJpeg(image, quality);
}

}  // namespace rcnn::eval
