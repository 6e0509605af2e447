#include "rcnn/ops/testing/random_boxes.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops::testing {

at::Generator TestGenerator() { return at::detail::createCPUGenerator(TestSeed()); }

at::Tensor RandomBoxes(int64_t count, const at::Generator& generator,
                       const RandomBoxOptions& options) {
  const at::Tensor corners = at::rand({count, 2}, generator, at::kDouble) * options.extent_px;
  const at::Tensor spread = at::rand({count, 2}, generator, at::kDouble);
  const at::Tensor sides =
      options.min_side_px + spread * (options.max_side_px - options.min_side_px);
  return at::cat({corners, corners + sides}, 1);
}

}  // namespace rcnn::ops::testing
