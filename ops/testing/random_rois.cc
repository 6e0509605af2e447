#include "rcnn/ops/testing/random_rois.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace rcnn::ops::testing {

at::Tensor RandomRois(const RandomRoiOptions& options, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::Tensor uniform = at::rand({options.count, 4}, generator, at::kDouble);
  const at::Tensor sides = at::tensor(
      {options.width_px, options.height_px, options.width_px, options.height_px}, at::kDouble);
  const at::Tensor corners = uniform * (sides + 2 * options.margin_px) - options.margin_px;
  const at::Tensor a = corners.slice(1, 0, 2);
  const at::Tensor b = corners.slice(1, 2, 4);
  const at::Tensor image =
      at::randint(0, options.images, {options.count, 1}, generator, at::kDouble);
  return at::cat({image, at::minimum(a, b), at::maximum(a, b)}, 1);
}

at::Tensor RandomMap(at::IntArrayRef sizes, at::ScalarType dtype, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(sizes, generator, at::kDouble).to(dtype);
}

}  // namespace rcnn::ops::testing
