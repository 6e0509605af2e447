// The decision of non-maximum suppression for one pair of boxes, the same on each device.

#ifndef RCNN_OPS_KERNELS_SUPPRESSION_H_
#define RCNN_OPS_KERNELS_SUPPRESSION_H_

#include <cmath>
#include <cstdint>
#include <limits>

#include "rcnn/ops/kernels/box_overlap.h"
#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

// Returns the largest value of T at which IoU > t is false, for a double t that T may not
// represent. With `suppress_equal` the comparison is IoU >= t. Host only.
template <typename T>
T LargestAllowed(double iou_threshold, bool suppress_equal) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  T value = static_cast<T>(iou_threshold);
  if (!suppress_equal) return value > iou_threshold ? std::nextafter(value, -kInfinity) : value;
  if (value < iou_threshold) value = std::nextafter(value, kInfinity);
  return std::nextafter(value, -kInfinity);
}

// Whether IoU(a, b) > threshold, as greedy_suppression.cc decides it. False where an area is 0 and
// the quotient not a number, or where T cannot hold an area.
//
// Most pairs need no division: rounding keeps the order of numbers, so where `shared`, which is a
// T, is below the rounded product it is below the exact one too, and the quotient is at most the
// threshold, also rounded.
template <typename T>
RCNN_HOST_DEVICE bool Suppresses(const AreaBox<T>& a, const AreaBox<T>& b, T threshold, T extra) {
  const T shared = SharedArea(a, b, extra);
  const T all = a.area + b.area - shared;
  return !(shared < threshold * all) && shared / all > threshold;
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_SUPPRESSION_H_
