// Masks and keypoints as lines that can be drawn over an image.
//
// A mask becomes the closed lines around its parts and holes, which filled by the
// even-odd rule are its pixels; keypoints become points, and lines between those
// that belong together. In pixels of the image, the middle of the first at
// (0.5, 0.5).
//
// Example: for (const auto& ring : OutlineMask(masks[i]).rings) Draw(ring);

#ifndef RCNN_EVAL_SHAPE_OUTLINE_H_
#define RCNN_EVAL_SHAPE_OUTLINE_H_

#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/run_length_mask.h"

namespace rcnn::eval {

using OutlinePoint = std::pair<double, double>;  // x, y

struct ShapeOutline {
  std::vector<std::vector<OutlinePoint>> rings;  // closed
  std::vector<std::vector<OutlinePoint>> lines;  // open
  std::vector<OutlinePoint> points;

  bool empty() const { return rings.empty() && lines.empty() && points.empty(); }
};

// Along the middles of the outermost pixels; of a mask whose box has more than 2^27
// pixels that box. Empty for a mask without a pixel.
ShapeOutline OutlineMask(const Mask& mask);

// The smallest box around what is drawn; all 0 for nothing.
XywhBox BoxAround(const ShapeOutline& outline);

// numbers: x, y and visibility (annotations) or score (detections) of each keypoint.
// Those of an annotation that are not labelled (visibility 0) are left out. Lines are
// those of COCO's 17 keypoints of people; other numbers of keypoints have none.
ShapeOutline OutlineKeypoints(absl::Span<const double> numbers, bool annotation);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_SHAPE_OUTLINE_H_
