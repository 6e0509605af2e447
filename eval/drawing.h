// Draws labelled boxes on an image, legibly and distinguishably.
//
// Uses three of Okabe and Ito's colours, which are distinguishable with all common
// colour deficiencies, and different lines as well: hits are solid blue, false
// positives solid vermilion with a cross in the corner, misses dashed yellow. Every
// line has a dark outline, so that it is visible on any background. Every label is on
// a plate in the box's colour, in white or dark letters, placed so that plates do not
// overlap; a long one is shortened.
//
// Source: M. Okabe, K. Ito, "Color Universal Design", 2008.

#ifndef RCNN_EVAL_DRAWING_H_
#define RCNN_EVAL_DRAWING_H_

#include <opencv2/core.hpp>
#include <optional>
#include <string>
#include <vector>

#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

enum class BoxKind { kHit, kFalsePositive, kMiss, kNeutral };

struct LabelledBox {
  BoxKind kind = BoxKind::kHit;
  XywhBox box;
  // "cat 0.93", drawn as data/image/image_text.h says. May be empty.
  std::string label;
  // Overrides the kind's colour; in OpenCV's order (blue, green, red).
  std::optional<cv::Scalar> color = std::nullopt;
};

// Colour of a kind, in OpenCV's order (blue, green, red).
cv::Scalar PickColor(BoxKind kind);

// The name of a kind for legends: "hit", "false positive", "missed", "ignored".
const char* KindName(BoxKind kind);

// Returns a copy of `image` (BGR, 8 bits) with the boxes drawn on it, enlarged so
// that its longer side has at least `min_side_px`, which keeps labels readable on
// images of any size. Boxes are in pixels of `image`; the last is on top.
cv::Mat DrawBoxes(const cv::Mat& image, const std::vector<LabelledBox>& boxes,
                  int min_side_px = 800);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_DRAWING_H_
