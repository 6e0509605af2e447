// Random boxes for tests and benchmarks. The seed is RCNN_TEST_SEED from the
// environment, or 1, so that a failure can be reproduced.
//
// Example:
//   at::Generator generator = TestGenerator();
//   at::Tensor boxes = RandomBoxes(100, generator);

#ifndef RCNN_OPS_TESTING_RANDOM_BOXES_H_
#define RCNN_OPS_TESTING_RANDOM_BOXES_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::ops::testing {

// A CPU generator seeded with $RCNN_TEST_SEED, which is printed once per process.
at::Generator TestGenerator();

struct RandomBoxOptions {
  // x1 and y1 are uniform in [0, extent_px).
  double extent_px = 500;
  // Sides are uniform in [min_side_px, max_side_px).
  double min_side_px = 1;
  double max_side_px = 200;
};

// Returns [count, 4] float64 boxes (x1, y1, x2, y2) on the CPU.
at::Tensor RandomBoxes(int64_t count, const at::Generator& generator,
                       const RandomBoxOptions& options = {});

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_RANDOM_BOXES_H_
