#include "rcnn/detection/convolution/winograd.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/detection/convolution/tile_grid.h"

namespace rcnn::detection {
namespace {

at::Generator Generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

struct Case {
  int64_t batch, in_channels, out_channels, height, width;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.batch << " x " << c.in_channels << " x " << c.height << " x " << c.width << " to "
             << c.out_channels;
}

at::Tensor Weight(const Case& c) {
  return at::randn({c.out_channels, c.in_channels, 3, 3}, Generator(1)) /
         std::sqrt(9.0 * static_cast<double>(c.in_channels));
}

at::Tensor Input(const Case& c) {
  return at::randn({c.batch, c.in_channels, c.height, c.width}, Generator(2));
}

at::Tensor Convolve(const Case& c, const at::Tensor& weight, const at::Tensor& bias,
                    const at::Tensor& x, bool relu,
                    WinogradWeights kept = WinogradWeights::kTransformed) {
  const WinogradConvolution conv(weight.data_ptr<float>(),
                                 bias.defined() ? bias.data_ptr<float>() : nullptr, c.out_channels,
                                 c.in_channels, relu, {}, kept);
  at::Tensor y = at::full({c.batch, c.out_channels, c.height, c.width}, NAN);
  conv.Run(x.data_ptr<float>(), c.batch, c.height, c.width, y.data_ptr<float>());
  return y;
}

at::Tensor Exact(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& x) {
  return at::conv2d(x.to(at::kDouble), weight.to(at::kDouble),
                    bias.defined() ? bias.to(at::kDouble) : bias, 1, 1);
}

class WinogradTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, WinogradTest, LevelsFrom(InstructionLevel::kAvx2), LevelName);

// Sizes around those of tiles (4), lanes (8), panels (6, 16) and blocks (64).
TEST_P(WinogradTest, EqualsAConvolution) {
  for (const Case& c : {Case{1, 1, 1, 1, 1}, Case{1, 3, 2, 2, 7}, Case{2, 5, 7, 9, 8},
                        Case{1, 16, 6, 4, 4}, Case{1, 4, 13, 33, 65}, Case{1, 8, 12, 70, 300},
                        Case{37, 6, 5, 7, 7}, Case{1, 2, 3, 1, 530}, Case{1, 2, 3, 530, 1}}) {
    SCOPED_TRACE(::testing::PrintToString(c));
    const at::Tensor weight = Weight(c), x = Input(c);
    const at::Tensor bias = at::randn({c.out_channels}, Generator(3));
    const at::Tensor exact = Exact(weight, bias, x);
    EXPECT_LE((Convolve(c, weight, bias, x, false) - exact).abs().max().item<double>(), 2e-5);
    EXPECT_LE((Convolve(c, weight, bias, x, true) - exact.relu()).abs().max().item<double>(), 2e-5);
    const at::Tensor none;
    EXPECT_LE(
        (Convolve(c, weight, none, x, false) - Exact(weight, none, x)).abs().max().item<double>(),
        2e-5);
  }
}

// One block, several, tiles that share all transformed kernels, and two groups of blocks.
TEST_P(WinogradTest, KernelsGiveTheBitsOfTheirTransforms) {
  for (const Case& c : {Case{1, 16, 6, 4, 4}, Case{2, 5, 7, 9, 8}, Case{1, 4, 37, 33, 65},
                        Case{37, 6, 5, 7, 7}, Case{1, 8, 12, 70, 300}, Case{1, 512, 40, 60, 64}}) {
    SCOPED_TRACE(::testing::PrintToString(c));
    const at::Tensor weight = Weight(c), x = Input(c);
    const at::Tensor bias = at::randn({c.out_channels}, Generator(3));
    EXPECT_TRUE(Convolve(c, weight, bias, x, true, WinogradWeights::kKernels)
                    .equal(Convolve(c, weight, bias, x, true)));
  }
}

at::Tensor ConvolveOnce(const Case& c, const at::Tensor& weight, KernelOrder order,
                        const at::Tensor& bias, const at::Tensor& x, bool relu) {
  at::Tensor y = at::full({c.batch, c.out_channels, c.height, c.width}, NAN);
  WinogradConvolution::ForOneRun(weight.data_ptr<float>(), order, bias.data_ptr<float>(),
                                 c.out_channels, c.in_channels, relu)
      .Run(x.data_ptr<float>(), c.batch, c.height, c.width, y.data_ptr<float>());
  return y;
}

// Also with kernels that lie as in the weight of the convolution whose gradient this is.
TEST_P(WinogradTest, AConvolutionForOneRunHasTheSameBits) {
  for (const Case& c : {Case{1, 16, 6, 4, 4}, Case{2, 5, 37, 9, 8}, Case{1, 37, 21, 33, 65},
                        Case{1, 8, 12, 70, 300}}) {
    SCOPED_TRACE(::testing::PrintToString(c));
    const at::Tensor weight = Weight(c), x = Input(c);
    const at::Tensor bias = at::randn({c.out_channels}, Generator(3));
    const at::Tensor turned = weight.flip({2, 3}).transpose(0, 1).contiguous();
    for (const bool relu : {false, true}) {
      const at::Tensor expected = Convolve(c, weight, bias, x, relu);
      EXPECT_TRUE(ConvolveOnce(c, weight, KernelOrder::kForward, bias, x, relu).equal(expected));
      EXPECT_TRUE(
          ConvolveOnce(c, turned, KernelOrder::kInputGradient, bias, x, relu).equal(expected));
    }
  }
}

// Every third tile, and one that follows it: by tiles and by outputs.
TEST_P(WinogradTest, ChosenTilesHaveTheSameBits) {
  for (const Case& c : {Case{2, 5, 37, 9, 8}, Case{1, 8, 12, 150, 300}}) {
    SCOPED_TRACE(::testing::PrintToString(c));
    const at::Tensor weight = Weight(c), x = Input(c), none;
    const TileGrid grid(c.batch, c.height, c.width);
    std::vector<int64_t> tiles;
    at::Tensor is_chosen = at::zeros({c.batch, 1, c.height, c.width}, at::kBool);
    for (int64_t t = 0; t < grid.total; ++t) {
      if (t % 3 == 2) continue;
      tiles.push_back(t);
      const int64_t row = t / grid.columns % grid.rows, column = t % grid.columns;
      is_chosen[t / grid.columns / grid.rows][0]
          .slice(0, 4 * row, 4 * row + 4)
          .slice(1, 4 * column, 4 * column + 4)
          .fill_(true);
    }
    const auto chosen = std::make_shared<const std::vector<int64_t>>(tiles);
    for (const WinogradWeights kept : {WinogradWeights::kTransformed, WinogradWeights::kKernels}) {
      const WinogradConvolution conv(weight.data_ptr<float>(), nullptr, c.out_channels,
                                     c.in_channels, false, {}, kept);
      at::Tensor y = at::full({c.batch, c.out_channels, c.height, c.width}, 7.0f);
      conv.Run(x.data_ptr<float>(), c.batch, c.height, c.width, y.data_ptr<float>(), nullptr,
               chosen);
      EXPECT_TRUE(
          y.equal(at::where(is_chosen, Convolve(c, weight, none, x, false), at::full({}, 7.0f))));
    }
  }
}

// By tiles and by outputs; the last tiles extend beyond the map.
TEST_P(WinogradTest, AMaskSetsResultsToZero) {
  for (const Case& c : {Case{2, 5, 37, 9, 8}, Case{1, 4, 13, 33, 65}, Case{1, 8, 12, 70, 300}}) {
    SCOPED_TRACE(::testing::PrintToString(c));
    const at::Tensor weight = Weight(c), x = Input(c), none;
    at::Tensor mask = at::randn({c.batch, c.out_channels, c.height, c.width}, Generator(4)).relu();
    mask.select(3, 1).fill_(NAN);
    for (const WinogradWeights kept : {WinogradWeights::kTransformed, WinogradWeights::kKernels}) {
      const WinogradConvolution conv(weight.data_ptr<float>(), nullptr, c.out_channels,
                                     c.in_channels, false, {}, kept);
      at::Tensor y = at::full(mask.sizes(), NAN);
      conv.Run(x.data_ptr<float>(), c.batch, c.height, c.width, y.data_ptr<float>(),
               mask.data_ptr<float>());
      EXPECT_TRUE(
          y.equal(at::where(mask <= 0, at::zeros({}), Convolve(c, weight, none, x, false))));
    }
  }
}

// A quarter of the bytes.
TEST_P(WinogradTest, KeptKernelsTakeNineNumbersEach) {
  const Case c = {1, 3, 48, 8, 8};
  const at::Tensor weight = Weight(c);
  const auto bytes = [&](WinogradWeights kept) {
    return WinogradConvolution(weight.data_ptr<float>(), nullptr, 48, 3, false, {}, kept)
        .panels()
        .bytes;
  };
  EXPECT_EQ(bytes(WinogradWeights::kKernels), size_t{48 * 3 * 9 * 4});
  EXPECT_EQ(bytes(WinogradWeights::kTransformed), size_t{48 * 3 * 36 * 4});
}

// The outputs of rows begin to end - 1 from copies of the rows that they need.
at::Tensor ConvolveRows(const WinogradConvolution& conv, const at::Tensor& x, int64_t out_channels,
                        int64_t begin, int64_t end, const float* transformed) {
  const int64_t height = x.size(2), width = x.size(3);
  const int64_t first = std::max<int64_t>(begin - 1, 0), last = std::min(end + 1, height);
  const at::Tensor rows = x.slice(2, first, last).contiguous();
  at::Tensor y = at::full({1, out_channels, end - begin, width}, NAN);
  conv.RunRows(rows.data_ptr<float>(), height, width,
               {{first, last - first}, {begin, end - begin}, begin, end}, y.data_ptr<float>(),
               transformed);
  return y;
}

TEST_P(WinogradTest, RowsAreThoseOfTheWholeMap) {
  const Case c = {1, 20, 9, 41, 77};
  const at::Tensor weight = Weight(c), x = Input(c), none;
  const at::Tensor whole = Convolve(c, weight, none, x, true);
  for (const WinogradWeights kept : {WinogradWeights::kTransformed, WinogradWeights::kKernels}) {
    const WinogradConvolution conv(weight.data_ptr<float>(), nullptr, c.out_channels, c.in_channels,
                                   true, {}, kept);
    const AlignedFloats transformed = conv.TransformForRows();
    EXPECT_EQ(transformed != nullptr, kept == WinogradWeights::kKernels);
    for (const auto& [begin, end] : {std::pair(0, 8), std::pair(8, 20), std::pair(4, 40),
                                     std::pair(36, 41), std::pair(0, 41)}) {
      for (const float* weights :
           {static_cast<const float*>(nullptr), static_cast<const float*>(transformed.get())}) {
        EXPECT_TRUE(ConvolveRows(conv, x, c.out_channels, begin, end, weights)
                        .equal(whole.slice(2, begin, end)))
            << begin << " " << end;
      }
    }
  }
}

// The accuracy stated in the header.
TEST_P(WinogradTest, LosesLittleAccuracy) {
  for (const int64_t channels : {64, 128, 256, 512}) {
    const Case c = {1, channels, 64, 24, 40};
    const at::Tensor weight = Weight(c), x = Input(c).relu(), none;
    const at::Tensor exact = Exact(weight, none, x);
    const double ours = (Convolve(c, weight, none, x, false) - exact).norm().item<double>();
    const double plain = (at::conv2d(x, weight, none, 1, 1) - exact).norm().item<double>();
    EXPECT_LE(ours, 7 * plain) << channels;
    EXPECT_LE(ours, 2e-6 * exact.norm().item<double>()) << channels;
  }
}

TEST_P(WinogradTest, DoesNotDependOnTheNumberOfThreads) {
  const Case c = {2, 20, 9, 41, 77};
  const at::Tensor weight = Weight(c), x = Input(c), none;
  const int threads = at::get_num_threads();
  const at::Tensor expected = Convolve(c, weight, none, x, false);
  for (const int n : {1, 2, 3}) {
    at::set_num_threads(n);
    for (const WinogradWeights kept : {WinogradWeights::kTransformed, WinogradWeights::kKernels}) {
      EXPECT_TRUE(Convolve(c, weight, none, x, false, kept).equal(expected)) << n;
    }
  }
  at::set_num_threads(threads);
}

TEST_P(WinogradTest, NanAffectsOnlyNearbyPixels) {
  const Case c = {1, 4, 3, 40, 40};
  const at::Tensor weight = Weight(c), none;
  at::Tensor x = Input(c);
  x[0][1][20][20] = NAN;
  const at::Tensor wrong = at::isnan(Convolve(c, weight, none, x, true)).nonzero();
  EXPECT_GE(wrong.size(0), 9 * 3);  // that of a convolution
  // Its tiles: at most five pixels away.
  EXPECT_LE((wrong.slice(1, 2) - 20).abs().max().item<int64_t>(), 5);
}

// More panels of tiles than threads, and fewer; the last one with a single tile.
TEST_P(WinogradTest, ThreadsSharePanelsOfTiles) {
  const int threads = at::get_num_threads();
  for (const int64_t width : {4, 64, 68, 4 * 49}) {
    const Case c = {1, 5, 7, 4, width};
    const at::Tensor weight = Weight(c), x = Input(c), none;
    const at::Tensor exact = Exact(weight, none, x);
    for (const int n : {1, 2, 3}) {
      at::set_num_threads(n);
      EXPECT_LE((Convolve(c, weight, none, x, false) - exact).abs().max().item<double>(), 2e-5)
          << width << " " << n;
    }
  }
  at::set_num_threads(threads);
}

TEST_P(WinogradTest, EmptyInputGivesEmptyOutput) {
  const Case c = {0, 4, 3, 40, 40};
  EXPECT_EQ(Convolve(c, Weight(c), {}, Input(c), false).numel(), 0);
}

}  // namespace
}  // namespace rcnn::detection
