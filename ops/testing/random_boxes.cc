#include "rcnn/ops/testing/random_boxes.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cstdio>
#include <cstdlib>

namespace rcnn::ops::testing {
namespace {

uint64_t SeedFromEnvironment() {
  const char* text = std::getenv("RCNN_TEST_SEED");
  const uint64_t seed = text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
  std::printf("RCNN_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace

at::Generator TestGenerator() {
  static const uint64_t seed = SeedFromEnvironment();
  return at::detail::createCPUGenerator(seed);
}

at::Tensor RandomBoxes(int64_t count, const at::Generator& generator,
                       const RandomBoxOptions& options) {
  const at::Tensor corners = at::rand({count, 2}, generator, at::kDouble) * options.extent_px;
  const at::Tensor spread = at::rand({count, 2}, generator, at::kDouble);
  const at::Tensor sides =
      options.min_side_px + spread * (options.max_side_px - options.min_side_px);
  return at::cat({corners, corners + sides}, 1);
}

}  // namespace rcnn::ops::testing
