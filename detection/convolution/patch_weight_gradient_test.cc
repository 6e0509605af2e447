#include "rcnn/detection/convolution/patch_weight_gradient.h"

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

struct Maps {
  explicit Maps(const PatchShape& s)
      : x(at::randn({s.batch, s.in_channels, s.height, s.width},
                    at::detail::createCPUGenerator(1))),
        dy(at::randn({s.batch, s.out_channels, OutputSize(s.height, s.kernel),
                      OutputSize(s.width, s.kernel)},
                     at::detail::createCPUGenerator(2))) {}

  at::Tensor x, dy;
};

at::Tensor Gradient(const PatchShape& s, const Maps& maps) {
  // Makes unwritten elements visible.
  at::Tensor dw = at::full({s.out_channels, s.in_channels, s.kernel.size, s.kernel.size}, NAN);
  PatchWeightGradient(maps.x.data_ptr<float>(), maps.dy.data_ptr<float>(), s, dw.data_ptr<float>());
  return dw;
}

// By the definition, of these maps in float64.
at::Tensor Definition(const PatchShape& s, const at::Tensor& x, const at::Tensor& dy) {
  const at::Tensor weight =
      at::zeros({s.out_channels, s.in_channels, s.kernel.size, s.kernel.size}, at::kDouble)
          .requires_grad_();
  at::conv2d(x, weight, {}, s.kernel.stride, s.kernel.padding).backward(dy);
  return weight.grad();
}

// Each sum of n terms is within n u / (1 - n u) of the sum of their absolute values, u = 2^-24
// (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., Sec. 4.2). A term goes through
// the additions of its chunk and those of the chunks of all images.
void ExpectWithinRounding(const PatchShape& s, const Maps& maps) {
  const at::Tensor x = maps.x.to(at::kDouble), dy = maps.dy.to(at::kDouble);
  const at::Tensor exact = Definition(s, x, dy), size = Definition(s, x.abs(), dy.abs());
  const int64_t outputs = maps.dy.size(2) * maps.dy.size(3);
  const auto n = static_cast<double>(std::min(outputs, kPanelChunk) +
                                     s.batch * NumPanels(outputs, kPanelChunk));
  const double u = std::ldexp(1.0, -24);
  EXPECT_TRUE(
      ((Gradient(s, maps) - exact).abs() <= size * (n * u / (1 - n * u))).all().item<bool>());
}

class PatchWeightGradientTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, PatchWeightGradientTest, LevelsFrom(InstructionLevel::kAvx2),
                         LevelName);

// Rows of outputs that end within a part; kernels that lie in the padding as a whole; strides that
// skip pixels.
TEST_P(PatchWeightGradientTest, EqualsTheDefinition) {
  for (const int64_t size : {1, 2, 3, 7}) {
    for (const int64_t stride : {1, 2, 3}) {
      for (const int64_t padding : {0, 1, 3}) {
        for (PatchShape s : {PatchShape{1, 1, 1, 7, 7, {}}, PatchShape{1, 5, 16, 11, 21, {}},
                             PatchShape{3, 3, 19, 9, 8, {}}, PatchShape{1, 2, 7, 8, 70, {}}}) {
          s.kernel = {size, stride, padding};
          SCOPED_TRACE(::testing::PrintToString(s));
          ExpectWithinRounding(s, Maps(s));
        }
      }
    }
  }
}

// Several parts of the outputs, more rows than columns of the product and the reverse.
TEST_P(PatchWeightGradientTest, EqualsTheDefinitionOnLargerMaps) {
  for (const PatchShape& s :
       {PatchShape{2, 20, 18, 31, 37, {3, 2, 1}}, PatchShape{1, 3, 40, 64, 51, {7, 2, 3}},
        PatchShape{1, 19, 70, 40, 41, {1, 2, 0}}, PatchShape{1, 3, 17, 33, 35, {3, 1, 1}}}) {
    SCOPED_TRACE(::testing::PrintToString(s));
    ExpectWithinRounding(s, Maps(s));
  }
}

TEST_P(PatchWeightGradientTest, ThreadsAndLevelsChangeNoBit) {
  for (const PatchKernel& kernel : {PatchKernel{3, 2, 1}, {1, 2, 0}, {7, 2, 3}}) {
    const PatchShape s = {2, 9, 21, 23, 29, kernel};
    const Maps maps(s);
    ExpectThreadsAndLevelsChangeNoBit([&]() -> Tensors { return {Gradient(s, maps)}; });
  }
}

TEST_P(PatchWeightGradientTest, IsZeroWithoutImages) {
  const PatchShape s = {0, 3, 5, 9, 9, {3, 2, 1}};
  EXPECT_EQ(Gradient(s, Maps(s)).abs().sum().item<float>(), 0);
}

}  // namespace
}  // namespace rcnn::detection
