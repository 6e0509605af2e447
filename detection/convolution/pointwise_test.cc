#include "rcnn/detection/convolution/pointwise.h"

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

class PointwiseTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, PointwiseTest, LevelsFrom(InstructionLevel::kAvx2), LevelName);

// Sizes around those of panels (6 and 16) and blocks (64 to 512).
TEST_P(PointwiseTest, EqualsAMatrixProduct) {
  for (const auto& [batch, in, out, area] :
       {std::tuple(1, 1, 1, 1), std::tuple(3, 5, 7, 15), std::tuple(1, 16, 6, 16),
        std::tuple(2, 33, 12, 64), std::tuple(1, 70, 13, 333), std::tuple(5, 8, 18, 49),
        std::tuple(1, 9, 17, 1100), std::tuple(1, 1100, 5, 150), std::tuple(3, 5, 4, 530)}) {
    const at::Tensor weight = Draw({out, in}, 1), bias = Draw({out}, 2);
    const at::Tensor x = Draw({batch, in, area}, 3), other = Draw({batch, out, area}, 4);
    const at::Tensor exact = at::matmul(weight.to(at::kDouble), x.to(at::kDouble));
    const double tolerance = 1e-6 * (10 + in);
    const auto run = [&](const float* biases, const float* add, bool relu) {
      at::Tensor y = at::full({batch, out, area}, NAN);
      PointwiseConvolution(weight.data_ptr<float>(), biases, out, in)
          .Run(x.data_ptr<float>(), batch, area, add, relu, y.data_ptr<float>());
      return y;
    };
    const auto distance = [](const at::Tensor& a, const at::Tensor& b) {
      return (a - b).abs().max().item<double>();
    };
    const at::Tensor shifted = exact + bias.view({-1, 1});
    EXPECT_LE(distance(run(nullptr, nullptr, false), exact), tolerance);
    EXPECT_LE(distance(run(bias.data_ptr<float>(), nullptr, true), shifted.relu()), tolerance);
    EXPECT_LE(distance(run(bias.data_ptr<float>(), other.data_ptr<float>(), true),
                       (shifted + other).relu()),
              tolerance);
  }
}

// One row panel, several, and more than each thread has; weights as rows and as columns.
TEST_P(PointwiseTest, AConvolutionForOneRunHasTheSameBits) {
  const int threads = at::get_num_threads();
  for (const auto& [out, in] : {std::pair(1, 1), std::pair(5, 130), std::pair(37, 7),
                                std::pair(64, 16), std::pair(131, 65)}) {
    const at::Tensor weight = Draw({out, in}, 1), turned = weight.t().contiguous();
    const at::Tensor bias = Draw({out}, 2), x = Draw({2, in, 50}, 3);
    const auto run = [&, out = out](const PointwiseConvolution& conv) {
      at::Tensor y = at::full({2, out, 50}, NAN);
      conv.Run(x.data_ptr<float>(), 2, 50, nullptr, true, y.data_ptr<float>());
      return y;
    };
    const at::Tensor expected = run({weight.data_ptr<float>(), bias.data_ptr<float>(), out, in});
    for (const int n : {1, 3}) {
      at::set_num_threads(n);
      EXPECT_TRUE(run(PointwiseConvolution::ForOneRun(weight.data_ptr<float>(), MatrixOrder::kRows,
                                                      bias.data_ptr<float>(), out, in))
                      .equal(expected))
          << out << " of " << in;
      EXPECT_TRUE(
          run(PointwiseConvolution::ForOneRun(turned.data_ptr<float>(), MatrixOrder::kColumns,
                                              bias.data_ptr<float>(), out, in))
              .equal(expected))
          << out << " of " << in;
    }
    at::set_num_threads(threads);
  }
}

TEST_P(PointwiseTest, ThreadsAndLevelsChangeNoBit) {
  const at::Tensor weight = Draw({18, 130}, 1), x = Draw({2, 130, 1111}, 2);
  const auto run = [&] {
    at::Tensor y = at::full({2, 18, 1111}, NAN);
    PointwiseConvolution(weight.data_ptr<float>(), nullptr, 18, 130)
        .Run(x.data_ptr<float>(), 2, 1111, nullptr, true, y.data_ptr<float>());
    return y;
  };
  const at::Tensor expected = run();
  const int threads = at::get_num_threads();
  for (const int n : {1, 2, 3}) {
    at::set_num_threads(n);
    EXPECT_TRUE(run().equal(expected)) << n;
  }
  at::set_num_threads(threads);
  const ScopedInstructionLevel level(InstructionLevel::kAvx2);
  EXPECT_TRUE(run().equal(expected));
}

// Areas that end within a panel, and a summand.
TEST_P(PointwiseTest, AMaskSetsResultsToZero) {
  for (const int64_t area : {1, 16, 333}) {
    const at::Tensor weight = Draw({19, 70}, 1), x = Draw({2, 70, area}, 2);
    const at::Tensor other = Draw({2, 19, area}, 3), mask = Draw({2, 19, area}, 4).relu();
    const PointwiseConvolution conv(weight.data_ptr<float>(), nullptr, 19, 70);
    const auto run = [&](const float* masking) {
      at::Tensor y = at::full({2, 19, area}, NAN);
      conv.Run(x.data_ptr<float>(), 2, area, other.data_ptr<float>(), false, y.data_ptr<float>(),
               masking);
      return y;
    };
    EXPECT_TRUE(run(mask.data_ptr<float>()).equal(at::where(mask > 0, run(nullptr), at::zeros({}))))
        << area;
  }
}

TEST_P(PointwiseTest, AddsInPlace) {
  const at::Tensor weight = Draw({10, 4}, 1), x = Draw({1, 4, 100}, 2),
                   other = Draw({1, 10, 100}, 3);
  const PointwiseConvolution conv(weight.data_ptr<float>(), nullptr, 10, 4);
  at::Tensor aside = at::empty_like(other), in_place = other.clone();
  conv.Run(x.data_ptr<float>(), 1, 100, other.data_ptr<float>(), false, aside.data_ptr<float>());
  conv.Run(x.data_ptr<float>(), 1, 100, in_place.data_ptr<float>(), false,
           in_place.data_ptr<float>());
  EXPECT_TRUE(in_place.equal(aside));
}

TEST_P(PointwiseTest, WritesOverItsInput) {
  for (const int64_t channels : {1, 6, 70}) {
    const at::Tensor weight = Draw({channels, channels}, 1), x = Draw({2, channels, 333}, 2);
    const PointwiseConvolution conv(weight.data_ptr<float>(), nullptr, channels, channels);
    at::Tensor aside = at::empty_like(x), in_place = x.clone();
    conv.Run(x.data_ptr<float>(), 2, 333, nullptr, true, aside.data_ptr<float>());
    conv.Run(in_place.data_ptr<float>(), 2, 333, nullptr, true, in_place.data_ptr<float>());
    EXPECT_TRUE(in_place.equal(aside)) << channels;
  }
}

}  // namespace
}  // namespace rcnn::detection
