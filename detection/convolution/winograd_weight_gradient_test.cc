#include "rcnn/detection/convolution/winograd_weight_gradient.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <tuple>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/detection/convolution/panel_product.h"

namespace rcnn::detection {

std::ostream& operator<<(std::ostream& out, const ConvolutionShape& s) {
  return out << s.batch << " x " << s.in_channels << " x " << s.height << " x " << s.width << " to "
             << s.out_channels;
}

namespace {

class WinogradWeightGradientTest : public InstructionLevelCaseTest<ConvolutionShape> {
 protected:
  void SetUp() override {
    InstructionLevelCaseTest<ConvolutionShape>::SetUp();
    if (IsSkipped()) return;
    const ConvolutionShape& s = std::get<0>(GetParam());
    const auto draw = [](uint64_t seed, int64_t n, int64_t c, int64_t h, int64_t w) {
      return at::randn({n, c, h, w}, at::detail::createCPUGenerator(seed));
    };
    x_ = draw(1, s.batch, s.in_channels, s.height, s.width);
    dy_ = draw(2, s.batch, s.out_channels, s.height, s.width);
  }

  at::Tensor Gradient() const {
    const ConvolutionShape& s = std::get<0>(GetParam());
    // Makes unwritten elements visible.
    at::Tensor dw = at::full({s.out_channels, s.in_channels, 3, 3}, std::nan(""));
    WinogradWeightGradient(x_.data_ptr<float>(), dy_.data_ptr<float>(), s, dw.data_ptr<float>());
    return dw;
  }

  at::Tensor Exact() const {
    const ConvolutionShape& s = std::get<0>(GetParam());
    const at::Tensor weight = at::zeros({s.out_channels, s.in_channels, 3, 3}, at::kDouble);
    return std::get<1>(at::convolution_backward(dy_.to(at::kDouble), x_.to(at::kDouble), weight,
                                                c10::nullopt, {1, 1}, {1, 1}, {1, 1}, false, {0, 0},
                                                1, {false, true, false}));
  }

  at::Tensor x_, dy_;
};

TEST_P(WinogradWeightGradientTest, IsTheGradient) {
  const at::Tensor exact = Exact();
  const double norm = std::max(exact.norm().item<double>(), 1e-300);
  EXPECT_LE((Gradient() - exact).norm().item<double>() / norm, 3e-6);
}

TEST_P(WinogradWeightGradientTest, TheSameForEveryNumberOfThreads) {
  const at::Tensor dw = Gradient();
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor alone = Gradient();
  at::set_num_threads(threads);
  EXPECT_TRUE(alone.equal(dw));
}

TEST_P(WinogradWeightGradientTest, HasTheBitsOfEveryOtherLevel) {
  const at::Tensor dw = Gradient();
  const ScopedInstructionLevel level(InstructionLevel::kAvx2);
  EXPECT_TRUE(Gradient().equal(dw));
}

TEST(EmptyWinogradWeightGradientTest, IsZero) {
  at::Tensor dw = at::ones({5, 3, 3, 3});
  WinogradWeightGradient(nullptr, nullptr, {2, 3, 5, 0, 7}, dw.data_ptr<float>());
  EXPECT_EQ(dw.abs().sum().item<float>(), 0);
}

// 1 to 200 tiles, and 2,600, which do not fit into one block; channels that fill their
// panels and channels that do not.
INSTANTIATE_TEST_SUITE_P(Shapes, WinogradWeightGradientTest,
                         ::testing::Combine(::testing::Values(ConvolutionShape{1, 1, 1, 1, 1},
                                                              ConvolutionShape{1, 16, 6, 4, 4},
                                                              ConvolutionShape{2, 17, 7, 9, 13},
                                                              ConvolutionShape{3, 40, 20, 31, 30},
                                                              ConvolutionShape{1, 64, 64, 200,
                                                                               206}),
                                            LevelsFrom(InstructionLevel::kAvx2)));

}  // namespace
}  // namespace rcnn::detection
