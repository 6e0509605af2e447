// Box arithmetic one box at a time in float64, continuous and inclusive: the reference
// for tests of the operators.
//
// `plus` is 1 where corners are pixels inside the box, so that widths are
// x2 - x1 + 1, else 0.

#ifndef RCNN_DETECTION_TESTING_SLOW_BOXES_H_
#define RCNN_DETECTION_TESTING_SLOW_BOXES_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

namespace rcnn::detection {

using SlowBox = std::array<double, 4>;  // x1, y1, x2, y2
using SlowDeltas = std::array<double, 4>;

// Row i of a [N, 4] tensor.
SlowBox BoxAt(const at::Tensor& boxes, int64_t i);

double SlowIou(const SlowBox& a, const SlowBox& b, double plus);

// Deltas from `box` to `object`, times the weights.
SlowDeltas SlowEncode(const SlowBox& box, const SlowBox& object, const SlowDeltas& weights,
                      double plus);

// The decoded box, with x2 and y2 `larger` further out than SlowEncode's inverse.
SlowBox SlowDecode(const SlowBox& box, const SlowDeltas& deltas, const SlowDeltas& weights,
                   double plus, double larger);

// Corners clipped to [0, side - plus].
SlowBox SlowClip(const SlowBox& box, double height, double width, double plus);

// Indices of the kept boxes; `boxes` are in order of descending score.
std::vector<size_t> SlowNms(const std::vector<SlowBox>& boxes, double iou, double plus);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_TESTING_SLOW_BOXES_H_
