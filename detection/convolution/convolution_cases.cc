#include "rcnn/detection/convolution/convolution_cases.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <cstddef>

#include "gtest/gtest.h"

namespace rcnn::detection {

std::ostream& operator<<(std::ostream& out, const PatchShape& shape) {
  return out << shape.batch << " x " << shape.in_channels << " x " << shape.height << " x "
             << shape.width << " to " << shape.out_channels << ", kernel " << shape.kernel.size
             << ", stride " << shape.kernel.stride << ", padding " << shape.kernel.padding;
}

int64_t OutputSize(int64_t size, const PatchKernel& kernel) {
  return (size + 2 * kernel.padding - kernel.size) / kernel.stride + 1;
}

Tensors TrainOnce(const PatchShape& shape, const TrainedConvolution& convolve, at::ScalarType type,
                  bool with_bias) {
  const auto draw = [](at::IntArrayRef sizes, uint64_t seed) {
    return at::randn(sizes, at::detail::createCPUGenerator(seed));
  };
  const auto leaf = [&](at::IntArrayRef sizes, uint64_t seed, double scale) {
    return (draw(sizes, seed) * scale).to(type).requires_grad_(true);
  };
  const PatchKernel& kernel = shape.kernel;
  const auto depth = static_cast<double>(shape.in_channels * kernel.size * kernel.size);
  const at::Tensor x = leaf({shape.batch, shape.in_channels, shape.height, shape.width}, 1, 1);
  const at::Tensor weight = leaf({shape.out_channels, shape.in_channels, kernel.size, kernel.size},
                                 2, 1 / std::sqrt(depth));
  const at::Tensor bias = with_bias ? leaf({shape.out_channels}, 3, 1) : at::Tensor();
  const at::Tensor y = convolve(x, weight, bias);
  y.backward(draw({shape.batch, shape.out_channels, OutputSize(shape.height, kernel),
                   OutputSize(shape.width, kernel)},
                  4)
                 .to(type));
  return {y.detach(), x.grad(), weight.grad(), with_bias ? bias.grad() : at::ones({1})};
}

double RelativeError(const at::Tensor& found, const at::Tensor& exact) {
  return ((found - exact).norm() / exact.norm()).item<double>();
}

void ExpectGradientsOfAConvolution(const PatchShape& shape, const TrainedConvolution& convolve) {
  const auto plain = [&](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    return at::conv2d(x, weight, bias, shape.kernel.stride, shape.kernel.padding);
  };
  for (const bool with_bias : {true, false}) {
    SCOPED_TRACE(::testing::Message() << shape << ", bias " << with_bias);
    const Tensors exact = TrainOnce(shape, plain, at::kDouble, with_bias);
    const Tensors found = TrainOnce(shape, convolve, at::kFloat, with_bias);
    ASSERT_EQ(found.size(), exact.size());
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_LE(RelativeError(found[i], exact[i]), 1e-6) << i;
    }
  }
}

}  // namespace rcnn::detection
