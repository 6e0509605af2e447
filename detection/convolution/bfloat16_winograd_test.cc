#include "rcnn/detection/convolution/bfloat16_winograd.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

struct Case {
  int64_t batch, in_channels, out_channels, height, width;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.batch << " x " << c.in_channels << " x " << c.height << " x " << c.width << " to "
             << c.out_channels;
}

at::Tensor Draw(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

at::Tensor Weight(const Case& c) {
  return Draw({c.out_channels, c.in_channels, 3, 3}, 1) /
         std::sqrt(9.0 * static_cast<double>(c.in_channels));
}

// Maps as a ReLU leaves them.
at::Tensor Input(const Case& c) {
  return Draw({c.batch, c.in_channels, c.height, c.width}, 2).relu();
}

// The weights as kernels are kept: those of an output channel are multiplied by the power of two
// that moves the largest magnitude into [2^14, 2^15), and LibTorch rounds them to half precision.
at::Tensor RoundKernels(const at::Tensor& weight) {
  at::Tensor scale = at::empty({weight.size(0), 1, 1, 1}, at::kDouble);
  for (int64_t k = 0; k < weight.size(0); ++k) {
    const int exponent = std::ilogb(weight[k].abs().max().item<float>());
    scale[k].fill_(std::ldexp(1.0, 14 - exponent));
  }
  return ((weight * scale).to(at::kHalf).to(at::kDouble) / scale).to(at::kFloat);
}

at::Tensor Exact(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& x) {
  return at::conv2d(x.to(at::kDouble), weight.to(at::kDouble),
                    bias.defined() ? bias.to(at::kDouble) : bias, 1, 1);
}

class Bfloat16WinogradTest : public InstructionLevelCaseTest<WinogradTile> {
 protected:
  WinogradTile tile() const { return std::get<0>(GetParam()); }
  // The header's multiples of the relative error of a direct product, for which Input() is the
  // worst case: noise, without smooth parts.
  double error() const {
    constexpr double kDirect = 2.4e-3;
    return kDirect * (tile() == WinogradTile::kFour ? 5 : 1.75);
  }

  // What may be kept.
  std::vector<WinogradWeights> Weights() const {
    if (tile() == WinogradTile::kTwo) return {WinogradWeights::kTransformed};
    return {WinogradWeights::kTransformed, WinogradWeights::kKernels};
  }

  at::Tensor Convolve(const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& x,
                      bool relu, WinogradWeights kept = WinogradWeights::kTransformed) const {
    const Bfloat16Winograd conv(weight.data_ptr<float>(),
                                bias.defined() ? bias.data_ptr<float>() : nullptr, weight.size(0),
                                weight.size(1), relu, tile(), {}, kept);
    at::Tensor y = at::full({x.size(0), weight.size(0), x.size(2), x.size(3)}, NAN);
    conv.Run(x.data_ptr<float>(), x.size(0), x.size(2), x.size(3), y.data_ptr<float>());
    return y;
  }
};

// In double: each output by at most 2^-11 of the convolution of magnitudes, and all of them by
// about what the header says. Terms of 2^-39 are less than 1e-9 here.
TEST(Bfloat16WinogradKernelsTest, RoundedKernelsChangeAConvolutionLittle) {
  const Case c = {1, 64, 128, 12, 15};
  const at::Tensor weight = Weight(c), x = Input(c), none;
  const at::Tensor exact = Exact(weight, none, x);
  const at::Tensor error = Exact(RoundKernels(weight), none, x) - exact;
  const at::Tensor limit = Exact(weight.abs(), none, x) * std::ldexp(1.0, -11) + 1e-9;
  EXPECT_TRUE((error.abs() <= limit).all().item<bool>());
  const double relative = error.norm().item<double>() / exact.norm().item<double>();
  EXPECT_GE(relative, 1.4e-4);
  EXPECT_LE(relative, 3e-4);
}

INSTANTIATE_TEST_SUITE_P(Tiles, Bfloat16WinogradTest,
                         ::testing::Combine(::testing::Values(WinogradTile::kTwo,
                                                              WinogradTile::kFour),
                                            LevelsFrom(InstructionLevel::kAvx2)),
                         [](const auto& info) {
                           return (std::get<0>(info.param) == WinogradTile::kTwo ? "two_"
                                                                                 : "four_") +
                                  std::string(InstructionLevelName(std::get<1>(info.param)));
                         });

// Sizes around those of tiles (2, 4), panels (16) and blocks (64); odd numbers of channels.
TEST_P(Bfloat16WinogradTest, IsNearAConvolution) {
  for (const Case& c :
       {Case{1, 16, 2, 2, 7}, Case{2, 5, 7, 9, 8}, Case{1, 33, 16, 4, 4}, Case{1, 4, 17, 33, 65},
        Case{37, 6, 5, 7, 7}, Case{1, 2, 3, 1, 530}, Case{1, 3, 150, 9, 9}}) {
    SCOPED_TRACE(::testing::PrintToString(c));
    const at::Tensor weight = Weight(c), x = Input(c), bias = Draw({c.out_channels}, 3), none;
    const at::Tensor plain = Exact(weight, none, x), biased = Exact(weight, bias, x);
    const double limit = error() * plain.norm().item<double>();
    for (const WinogradWeights kept : Weights()) {
      // Halves give other errors of the same size, of which few outputs have no stable mean.
      if (kept == WinogradWeights::kKernels && plain.numel() < 100) continue;
      EXPECT_LE((Convolve(weight, none, x, false, kept) - plain).norm().item<double>(), limit);
      EXPECT_LE((Convolve(weight, bias, x, true, kept) - biased.relu()).norm().item<double>(),
                limit);
    }
  }
}

// Inputs and kernels whose transforms are exact in bfloat16: small integers, and tiles of F(2 x 2).
TEST_P(Bfloat16WinogradTest, IsExactWhereNothingIsRounded) {
  if (tile() != WinogradTile::kTwo) GTEST_SKIP() << "the points are irrational";
  const auto draw = [](at::IntArrayRef shape, uint64_t seed) {
    return at::randint(-4, 5, shape, at::detail::createCPUGenerator(seed)).to(at::kFloat);
  };
  const at::Tensor weight = draw({19, 7, 3, 3}, 1), x = draw({2, 7, 13, 30}, 2), none;
  EXPECT_TRUE(Convolve(weight, none, x, false).to(at::kDouble).equal(Exact(weight, none, x)));
}

// Both orders of the work: one part of a group, several, several row panels at a time, two groups
// of blocks, and blocks that share all transformed kernels. Odd numbers of channels, and panels
// with missing rows.
TEST_P(Bfloat16WinogradTest, KernelsGiveTheBitsOfTheirTransforms) {
  if (tile() == WinogradTile::kTwo) GTEST_SKIP() << "keeps its transforms";
  for (const Case& c :
       {Case{1, 16, 16, 9, 8}, Case{2, 5, 7, 9, 8}, Case{1, 33, 130, 20, 30},
        Case{3, 130, 40, 21, 38}, Case{1, 512, 16, 72, 80}, Case{1, 4, 17, 99, 100}}) {
    SCOPED_TRACE(::testing::PrintToString(c));
    const at::Tensor weight = Weight(c), x = Input(c), bias = Draw({c.out_channels}, 3);
    EXPECT_TRUE(Convolve(weight, bias, x, true, WinogradWeights::kKernels)
                    .equal(Convolve(RoundKernels(weight), bias, x, true)));
  }
}

// Output channels of kernels that are 0, huge, tiny, denormal, infinite and NaN, and one that is
// none of these.
TEST_P(Bfloat16WinogradTest, KernelsOfAnyMagnitudeAffectTheirOwnChannel) {
  const Case c = {1, 5, 7, 9, 8};
  const at::Tensor weight = Weight(c), x = Input(c), none;
  at::Tensor special = weight.clone();
  special[0].zero_();
  special[1].mul_(std::ldexp(1.0, 100));
  special[2].mul_(std::ldexp(1.0, -60));
  special[3].mul_(1e-41);
  special[4][2][1][1] = -INFINITY;
  special[5][2][1][1] = NAN;
  for (const WinogradWeights kept : Weights()) {
    const at::Tensor plain = Convolve(weight, none, x, false, kept)[0];
    const at::Tensor y = Convolve(special, none, x, false, kept)[0];
    EXPECT_TRUE(y[0].equal(at::zeros_like(y[0])));
    EXPECT_TRUE(y[1].equal(plain[1] * std::ldexp(1.0, 100)));
    EXPECT_TRUE(y[2].equal(plain[2] * std::ldexp(1.0, -60)));
    EXPECT_LE(y[3].abs().max().item<float>(), 1e-36f);
    EXPECT_FALSE(at::isfinite(y[4]).any().item<bool>());
    EXPECT_FALSE(at::isfinite(y[5]).any().item<bool>());
    EXPECT_TRUE(y[6].equal(plain[6]));
  }
}

// Of sixteen output channels: two bytes for each kernel's nine numbers, of an even number of
// channels, and a float for each of the sixteen.
TEST_P(Bfloat16WinogradTest, KeptKernelsTakeNineHalvesEach) {
  if (tile() == WinogradTile::kTwo) GTEST_SKIP() << "keeps its transforms";
  const at::Tensor weight = Weight({1, 19, 33, 1, 1});
  const auto bytes = [&](WinogradWeights kept) {
    return Bfloat16Winograd(weight.data_ptr<float>(), nullptr, 33, 19, false, tile(), {}, kept)
        .panels()
        .bytes;
  };
  EXPECT_EQ(bytes(WinogradWeights::kKernels), size_t{3 * (16 * 20 * 9 * 2 + 16 * 4)});
  EXPECT_EQ(bytes(WinogradWeights::kTransformed), size_t{3 * 16 * 20 * 36 * 2});
}

// The same bits from panels that were stored, and of a map in parts.
TEST_P(Bfloat16WinogradTest, StoredKernelsAndRowsGiveTheSameBits) {
  if (tile() == WinogradTile::kTwo) GTEST_SKIP() << "keeps its transforms";
  const Case c = {1, 33, 40, 20, 30};
  const at::Tensor weight = Weight(c), x = Input(c), bias = Draw({c.out_channels}, 3);
  const at::Tensor y = Convolve(weight, bias, x, true, WinogradWeights::kKernels);
  const auto from = [&](const float* numbers, const StoredPanels& stored) {
    return Bfloat16Winograd(numbers, bias.data_ptr<float>(), c.out_channels, c.in_channels, true,
                            tile(), stored, WinogradWeights::kKernels);
  };
  const Bfloat16Winograd stored = from(nullptr, from(weight.data_ptr<float>(), {}).panels());
  at::Tensor again = at::full_like(y, NAN);
  stored.Run(x.data_ptr<float>(), 1, c.height, c.width, again.data_ptr<float>());
  EXPECT_TRUE(again.equal(y));
  const AlignedBfloat16s transformed = stored.TransformForRows();
  ASSERT_TRUE(transformed != nullptr);
  for (const Bfloat16* weights :
       {static_cast<const Bfloat16*>(nullptr), static_cast<const Bfloat16*>(transformed.get())}) {
    at::Tensor rows = at::full_like(y, NAN);
    for (const auto& [begin, end] : {std::pair<int64_t, int64_t>(0, 4), {4, c.height}}) {
      stored.RunRows(x.data_ptr<float>(), c.height, c.width,
                     {{0, c.height}, {0, c.height}, begin, end}, rows.data_ptr<float>(), weights);
    }
    EXPECT_TRUE(rows.equal(y));
  }
}

TEST_P(Bfloat16WinogradTest, HasTheBitsOfEveryOtherLevel) {
  const Case c = {1, 20, 18, 30, 41};
  const at::Tensor weight = Weight(c), x = Input(c), none;
  for (const WinogradWeights kept : Weights()) {
    const at::Tensor y = Convolve(weight, none, x, false, kept);
    const ScopedInstructionLevel level(InstructionLevel::kAvx2);
    EXPECT_TRUE(Convolve(weight, none, x, false, kept).equal(y));
  }
}

TEST_P(Bfloat16WinogradTest, DoesNotDependOnTheNumberOfThreads) {
  const Case c = {2, 20, 41, 41, 77};
  const at::Tensor weight = Weight(c), x = Input(c), none;
  const int threads = at::get_num_threads();
  for (const WinogradWeights kept : Weights()) {
    const at::Tensor expected = Convolve(weight, none, x, false, kept);
    for (const int n : {1, 2, 3}) {
      at::set_num_threads(n);
      EXPECT_TRUE(Convolve(weight, none, x, false, kept).equal(expected)) << n;
    }
    at::set_num_threads(threads);
  }
}

// Of an odd number of channels, the last of which has no partner.
TEST_P(Bfloat16WinogradTest, NanAffectsOnlyNearbyPixels) {
  const Case c = {1, 3, 3, 40, 40};
  const at::Tensor weight = Weight(c), none;
  at::Tensor x = Input(c);
  x[0][1][20][20] = NAN;
  for (const WinogradWeights kept : Weights()) {
    const at::Tensor wrong = at::isnan(Convolve(weight, none, x, true, kept)).nonzero();
    EXPECT_GE(wrong.size(0), 9 * 3);  // that of a convolution
    // Its tiles: at most five pixels away.
    EXPECT_LE((wrong.slice(1, 2) - 20).abs().max().item<int64_t>(), 5);
  }
}

TEST_P(Bfloat16WinogradTest, EmptyInputGivesEmptyOutput) {
  const Case c = {0, 4, 3, 40, 40};
  EXPECT_EQ(Convolve(Weight(c), {}, Input(c), false).numel(), 0);
}

}  // namespace
}  // namespace rcnn::detection
