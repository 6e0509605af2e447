#include "rcnn/detection/convolution/winograd.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

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
                    const at::Tensor& x, bool relu) {
  const WinogradConvolution conv(weight.data_ptr<float>(),
                                 bias.defined() ? bias.data_ptr<float>() : nullptr, c.out_channels,
                                 c.in_channels, relu);
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
    EXPECT_TRUE(Convolve(c, weight, none, x, false).equal(expected)) << n;
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

TEST_P(WinogradTest, EmptyInputGivesEmptyOutput) {
  const Case c = {0, 4, 3, 40, 40};
  EXPECT_EQ(Convolve(c, Weight(c), {}, Input(c), false).numel(), 0);
}

}  // namespace
}  // namespace rcnn::detection
