// Between images as data/ decodes them (RGB) and as OpenCV draws on them (BGR).
//
// Example:
//   cv::Mat canvas = ToBgr(image);
//   RCNN_ASSIGN_OR_RETURN(std::string file, EncodeBgrAsJpeg(DrawBoxes(canvas, boxes)));

#ifndef RCNN_EVAL_BGR_IMAGE_H_
#define RCNN_EVAL_BGR_IMAGE_H_

#include <opencv2/core.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/data/image/image.h"

namespace rcnn::eval {

// A copy.
cv::Mat ToBgr(const data::Image& image);

// `bgr` has 3 channels of 8 bits. kInvalidArgument for an image without pixels or with
// a side of more than 65500.
absl::StatusOr<std::string> EncodeBgrAsJpeg(const cv::Mat& bgr, int quality = 92);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_BGR_IMAGE_H_
