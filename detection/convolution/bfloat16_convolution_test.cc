#include "rcnn/detection/convolution/bfloat16_convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <tuple>
#include <utility>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

at::Tensor Draw(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

struct Operands {
  at::Tensor weight, bias, x;
};

Operands DrawOperands(const Bfloat16ConvolutionShape& shape, const MapsShape& maps) {
  const double fan_in = static_cast<double>(shape.in_channels * shape.kernel * shape.kernel);
  return {Draw({shape.out_channels, shape.in_channels, shape.kernel, shape.kernel}, 1) /
              std::sqrt(fan_in),
          Draw({shape.out_channels}, 2),
          Draw({maps.batch, shape.in_channels, maps.height, maps.width}, 3)};
}

// The definition, of operands rounded to bfloat16, in float64.
at::Tensor Exact(const Operands& o, const Bfloat16ConvolutionShape& shape) {
  const auto rounded = [](const at::Tensor& t) { return t.to(at::kBFloat16).to(at::kDouble); };
  return at::conv2d(rounded(o.x), rounded(o.weight), o.bias.to(at::kDouble), shape.stride,
                    shape.padding);
}

at::Tensor Convolve(const Operands& o, const Bfloat16ConvolutionShape& shape,
                    const at::Tensor& like, const at::Tensor& add, bool relu) {
  const Bfloat16Convolution conv(o.weight.data_ptr<float>(), o.bias.data_ptr<float>(), shape);
  at::Tensor y = at::full(like.sizes(), NAN);
  conv.Run(o.x.data_ptr<float>(), {o.x.size(0), o.x.size(2), o.x.size(3)},
           add.defined() ? add.data_ptr<float>() : nullptr, relu, y.data_ptr<float>());
  return y;
}

double Distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

class Bfloat16ConvolutionTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, Bfloat16ConvolutionTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

// Sizes around those of panels (16), odd numbers of channels, rows of outputs that end within a
// panel.
TEST_P(Bfloat16ConvolutionTest, EqualsAConvolutionOfRoundedOperands) {
  for (const int64_t kernel : {1, 3, 7}) {
    for (const int64_t stride : {1, 2, 3}) {
      for (const int64_t padding : {0, 1, 3}) {
        for (const auto& [out, in, maps] :
             {std::tuple(1, 1, MapsShape{1, 7, 7}), std::tuple(16, 5, MapsShape{1, 11, 21}),
              std::tuple(19, 20, MapsShape{3, 9, 8})}) {
          const Bfloat16ConvolutionShape shape = {out, in, kernel, stride, padding};
          SCOPED_TRACE(::testing::Message() << out << " x " << in << ", " << kernel << " stride "
                                            << stride << " padding " << padding);
          const Operands o = DrawOperands(shape, maps);
          const at::Tensor exact = Exact(o, shape), add = Draw(exact.sizes(), 4);
          EXPECT_LE(Distance(Convolve(o, shape, exact, {}, false), exact), 1e-5);
          EXPECT_LE(Distance(Convolve(o, shape, exact, add, true), (exact + add).relu()), 1e-5);
        }
      }
    }
  }
}

// Several blocks of columns, and a depth that is not kept in a cache.
TEST_P(Bfloat16ConvolutionTest, LargeMapsAndManyChannels) {
  for (const auto& [shape, maps] :
       {std::pair(Bfloat16ConvolutionShape{18, 30, 1, 1, 0}, MapsShape{1, 61, 67}),
        std::pair(Bfloat16ConvolutionShape{17, 515, 3, 2, 1}, MapsShape{2, 13, 15})}) {
    const Operands o = DrawOperands(shape, maps);
    const at::Tensor exact = Exact(o, shape);
    EXPECT_LE(Distance(Convolve(o, shape, exact, {}, false), exact), 1e-5);
  }
}

TEST_P(Bfloat16ConvolutionTest, AddsInPlaceAndThreadsChangeNoBit) {
  const Bfloat16ConvolutionShape shape = {20, 9, 1, 1, 0};
  const Operands o = DrawOperands(shape, {2, 23, 29});
  at::Tensor other = Draw({2, 20, 23, 29}, 5);
  const at::Tensor expected = Convolve(o, shape, other, other, true);
  const int threads = at::get_num_threads();
  for (const int n : {1, 2, 3}) {
    at::set_num_threads(n);
    at::Tensor in_place = other.clone();
    Bfloat16Convolution(o.weight.data_ptr<float>(), o.bias.data_ptr<float>(), shape)
        .Run(o.x.data_ptr<float>(), {2, 23, 29}, in_place.data_ptr<float>(), true,
             in_place.data_ptr<float>());
    EXPECT_TRUE(in_place.equal(expected)) << n;
  }
  at::set_num_threads(threads);
}

TEST_P(Bfloat16ConvolutionTest, NoImagesGiveNoOutput) {
  const Bfloat16ConvolutionShape shape = {4, 3, 3, 2, 1};
  const Operands o = DrawOperands(shape, {0, 9, 9});
  EXPECT_EQ(Convolve(o, shape, at::empty({0, 4, 5, 5}), {}, false).numel(), 0);
}

}  // namespace
}  // namespace rcnn::detection
