// Masks and keypoints as lines that can be drawn over an image.
//
// A mask becomes closed rings around its parts and holes, to be filled by the
// even-odd rule. Keypoints become points, and lines between connected ones.
// Coordinates are pixels of the image; the centre of the first is (0.5, 0.5).
//
// Example:
//   for (const auto& ring : OutlineMask(masks[i]).rings) Use(ring);

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

// Runs through the centres of the outermost pixels. A mask whose box has more than
// 2^27 pixels gets that box. Empty for a mask without pixels.
ShapeOutline OutlineMask(const Mask& mask);

// The bounding box of an outline; all 0 if it is empty.
XywhBox BoxAround(const ShapeOutline& outline);

// numbers: x, y and visibility (annotations) or score (detections) of each keypoint.
// Those of an annotation that are not labelled (visibility 0) are left out. Lines are
// those of COCO's 17 keypoints of people; other numbers of keypoints have none.
ShapeOutline OutlineKeypoints(absl::Span<const double> numbers, bool annotation);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_SHAPE_OUTLINE_H_
