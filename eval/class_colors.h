// A colour for each class.
//
// The first seven are Okabe and Ito's, which are distinguishable with all common
// colour deficiencies. Later ones step around the hue circle by the golden angle,
// so that neighbours differ as much as possible.
//
// Source: M. Okabe, K. Ito, "Color Universal Design", 2008.

#ifndef RCNN_EVAL_CLASS_COLORS_H_
#define RCNN_EVAL_CLASS_COLORS_H_

#include <cstdint>
#include <opencv2/core.hpp>

namespace rcnn::eval {

// The colour of class `label` >= 1, in OpenCV's order (blue, green, red), each 0 to
// 255.
cv::Scalar ClassColor(int64_t label);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_CLASS_COLORS_H_
