// Random boxes that resemble what detectors suppress, for tests and benchmarks.
//
// The same seed gives the same boxes on every machine.

#ifndef RCNN_OPS_TESTING_BOXES_LIKE_H_
#define RCNN_OPS_TESTING_BOXES_LIKE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::ops::testing {

struct ScoredBoxes {
  at::Tensor boxes;   // [N, 4] float32
  at::Tensor scores;  // [N] float32 in (0, 1)
};

// Boxes as a region proposal network outputs them for a 1000 x 600 image: the nine
// anchors of the paper at random places of a grid of stride 16, each moved and
// resized by normal deltas of deviation 0.1 and 0.2, clipped to the image. About
// a third remains after NMS at IoU 0.7.
ScoredBoxes RpnLikeBoxes(int64_t count, uint64_t seed);

// Boxes of 4 to 64 px whose top left corners are uniform in a square of `size_px`;
// scores on `score_levels` levels, so that many are equal.
ScoredBoxes UniformBoxes(int64_t count, double size_px, int64_t score_levels, uint64_t seed);

// Boxes with whole corners in [0, 12], many of them equal, of zero area or with
// IoUs that are simple fractions; scores on 4 levels.
ScoredBoxes TiedBoxes(int64_t count, uint64_t seed);

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_BOXES_LIKE_H_
