// The decision of non-maximum suppression for one pair of boxes, the same on each device.

#ifndef RCNN_OPS_KERNELS_SUPPRESSION_H_
#define RCNN_OPS_KERNELS_SUPPRESSION_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

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

// The smaller and the larger of two numbers that are not NaN. A GPU has them in one instruction for
// float32 if a NaN may be left out, and else in two.
template <typename T>
RCNN_HOST_DEVICE T LesserNumber(T a, T b) {
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) {
    return fminf(a, b);
  } else {
    return Lesser(a, b);
  }
#else
  return Lesser(a, b);
#endif
}
template <typename T>
RCNN_HOST_DEVICE T GreaterNumber(T a, T b) {
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) {
    return fmaxf(a, b);
  } else {
    return Greater(a, b);
  }
#else
  return Greater(a, b);
#endif
}

// Whether IoU(a, b) > threshold >= 0 can be: a look, without a division. True if it is, and rarely
// if it is not. With NaN in a box, whose area is then NaN, it may be either.
//
// Rounding keeps the order of numbers, so where the area that they share, which is a T, is below
// the rounded product it is below the exact one too, and the quotient is at most the threshold,
// also rounded. If the boxes lie above each other, the product below is not their area, which is 0,
// but negative or 0 too.
template <typename T>
RCNN_HOST_DEVICE bool MaySuppress(const AreaBox<T>& a, const AreaBox<T>& b, T threshold, T extra) {
  const T width = LesserNumber(a.x2, b.x2) - GreaterNumber(a.x1, b.x1) + extra;
  const T height = LesserNumber(a.y2, b.y2) - GreaterNumber(a.y1, b.y1) + extra;
  const T shared = GreaterNumber(width, T{0}) * height;
  return !(shared < threshold * (a.area + b.area - shared));
}

// Whether IoU(a, b) > threshold, as greedy_suppression.cc decides it. False where an area is 0 and
// the quotient not a number, or where T cannot hold an area; with NaN in a box too.
template <typename T>
RCNN_HOST_DEVICE bool Suppresses(const AreaBox<T>& a, const AreaBox<T>& b, T threshold, T extra) {
  const T shared = SharedArea(a, b, extra);
  const T all = a.area + b.area - shared;
  return !(shared < threshold * all) && shared / all > threshold;
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_SUPPRESSION_H_
