// The IoU of two boxes by its definition, in float64: the reference for tests of operators.

#ifndef RCNN_OPS_TESTING_SLOW_IOU_H_
#define RCNN_OPS_TESTING_SLOW_IOU_H_

#include <algorithm>

namespace rcnn::ops::testing {

// Of two boxes of 4 numbers (x1, y1, x2, y2). Where corners are pixels inside the box
// (`inclusive`), a width is x2 - x1 + 1. 0 for boxes that do not overlap, boxes of zero area among
// them.
inline double SlowIou(const double* a, const double* b, bool inclusive) {
  const double one = inclusive ? 1 : 0;
  const auto area = [one](const double* c) { return (c[2] - c[0] + one) * (c[3] - c[1] + one); };
  const double width = std::max(0.0, std::min(a[2], b[2]) - std::max(a[0], b[0]) + one);
  const double height = std::max(0.0, std::min(a[3], b[3]) - std::max(a[1], b[1]) + one);
  const double inter = width * height;
  return inter > 0 ? inter / (area(a) + area(b) - inter) : 0;
}

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_SLOW_IOU_H_
