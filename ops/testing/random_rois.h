// Random feature maps and regions of interest for the tests and benchmarks of the
// RoI operators.

#ifndef RCNN_OPS_TESTING_RANDOM_ROIS_H_
#define RCNN_OPS_TESTING_RANDOM_ROIS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::ops::testing {

struct RandomRoiOptions {
  int64_t count = 0;
  int64_t images = 1;
  // Corners are uniform in [-margin_px, side + margin_px].
  double height_px = 0;
  double width_px = 0;
  double margin_px = 0;
};

// [count, 5] float64, valid, the same for the same seed.
at::Tensor RandomRois(const RandomRoiOptions& options, uint64_t seed);

// Normally distributed, the same for the same seed.
at::Tensor RandomMap(at::IntArrayRef sizes, at::ScalarType dtype, uint64_t seed);

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_RANDOM_ROIS_H_
