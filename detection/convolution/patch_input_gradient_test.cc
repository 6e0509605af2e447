#include "rcnn/detection/convolution/patch_input_gradient.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/detection/convolution/convolution_cases.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/training_checks.h"

namespace rcnn::detection {
namespace {

struct Operands {
  explicit Operands(const PatchShape& s)
      : weight(at::randn({s.out_channels, s.in_channels, s.kernel.size, s.kernel.size},
                         at::detail::createCPUGenerator(1))),
        dy(at::randn({s.batch, s.out_channels, OutputSize(s.height, s.kernel),
                      OutputSize(s.width, s.kernel)},
                     at::detail::createCPUGenerator(2))) {}

  at::Tensor weight, dy;
};

at::Tensor Gradient(const PatchShape& s, const Operands& o) {
  // Makes unwritten elements visible.
  at::Tensor dx = at::full({s.batch, s.in_channels, s.height, s.width}, NAN);
  PatchInputGradient(o.weight.data_ptr<float>(), o.dy.data_ptr<float>(), s, dx.data_ptr<float>());
  return dx;
}

// By the definition, of these operands in float64.
at::Tensor Definition(const PatchShape& s, const at::Tensor& weight, const at::Tensor& dy) {
  const at::Tensor x =
      at::zeros({s.batch, s.in_channels, s.height, s.width}, at::kDouble).requires_grad_();
  at::conv2d(x, weight, {}, s.kernel.stride, s.kernel.padding).backward(dy);
  return x.grad();
}

// Each sum of n terms is within n u / (1 - n u) of the sum of their absolute values, u = 2^-24
// (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., Sec. 4.2). A term goes through
// the additions of its chunk, and those of the chunks of all taps of its class.
void ExpectWithinRounding(const PatchShape& s, const Operands& o) {
  const at::Tensor weight = o.weight.to(at::kDouble), dy = o.dy.to(at::kDouble);
  const at::Tensor exact = Definition(s, weight, dy), size = Definition(s, weight.abs(), dy.abs());
  const int64_t taps = NumPanels(s.kernel.size, s.kernel.stride);
  const auto n = static_cast<double>(std::min(s.out_channels, kPanelChunk) +
                                     taps * taps * NumPanels(s.out_channels, kPanelChunk));
  const double u = std::ldexp(1.0, -24);
  EXPECT_TRUE(((Gradient(s, o) - exact).abs() <= size * (n * u / (1 - n * u))).all().item<bool>());
}

class PatchInputGradientTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, PatchInputGradientTest, LevelsFrom(InstructionLevel::kAvx2),
                         LevelName);

// Pixels that no output sees; kernels smaller than their stride, and in the padding as a whole;
// rows of cells that end within a panel.
TEST_P(PatchInputGradientTest, EqualsTheDefinition) {
  for (const int64_t size : {1, 2, 3, 7}) {
    for (const int64_t stride : {1, 2, 3, 4}) {
      for (const int64_t padding : {0, 1, 3}) {
        for (PatchShape s : {PatchShape{1, 1, 1, 7, 7, {}}, PatchShape{1, 16, 5, 11, 21, {}},
                             PatchShape{3, 19, 3, 9, 8, {}}, PatchShape{1, 7, 2, 8, 70, {}}}) {
          s.kernel = {size, stride, padding};
          SCOPED_TRACE(::testing::PrintToString(s));
          ExpectWithinRounding(s, Operands(s));
        }
      }
    }
  }
}

// Several chunks of the depth, several row panels, and blocks of several panels and images.
TEST_P(PatchInputGradientTest, EqualsTheDefinitionOnLargerMaps) {
  for (const PatchShape& s :
       {PatchShape{1, 20, 130, 31, 37, {3, 2, 1}}, PatchShape{2, 37, 70, 40, 66, {1, 2, 0}},
        PatchShape{40, 18, 64, 6, 6, {3, 2, 1}}, PatchShape{1, 17, 33, 64, 51, {5, 2, 2}}}) {
    SCOPED_TRACE(::testing::PrintToString(s));
    ExpectWithinRounding(s, Operands(s));
  }
}

TEST_P(PatchInputGradientTest, ThreadsAndLevelsChangeNoBit) {
  for (const PatchKernel& kernel : {PatchKernel{3, 2, 1}, {1, 2, 0}, {5, 3, 2}}) {
    const PatchShape s = {2, 21, 70, 23, 29, kernel};
    const Operands o(s);
    ExpectThreadsAndLevelsChangeNoBit([&]() -> Tensors { return {Gradient(s, o)}; });
  }
}

TEST_P(PatchInputGradientTest, AMaskSetsPixelsToZero) {
  for (const PatchKernel& kernel : {PatchKernel{3, 2, 1}, {1, 2, 0}, {5, 3, 2}}) {
    const PatchShape s = {2, 21, 20, 23, 29, kernel};
    const Operands o(s);
    at::Tensor mask = at::randn({2, 21, 23, 29}, at::detail::createCPUGenerator(3)).relu();
    mask.select(3, 1).fill_(NAN);
    at::Tensor dx = at::full(mask.sizes(), NAN);
    PatchInputGradient(o.weight.data_ptr<float>(), o.dy.data_ptr<float>(), s, dx.data_ptr<float>(),
                       mask.data_ptr<float>());
    EXPECT_TRUE(dx.equal(at::where(mask <= 0, at::zeros({}), Gradient(s, o)))) << kernel.size;
  }
}

TEST_P(PatchInputGradientTest, NoImagesHaveNoGradient) {
  const PatchShape s = {0, 3, 5, 9, 9, {3, 2, 1}};
  EXPECT_EQ(Gradient(s, Operands(s)).numel(), 0);
}

}  // namespace
}  // namespace rcnn::detection
