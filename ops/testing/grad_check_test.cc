#include "rcnn/ops/testing/grad_check.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace rcnn::ops::testing {
namespace {

TEST(MaxGradientErrorTest, IsSmallForARightGradient) {
  const at::Tensor x = at::linspace(-1, 2, 6, at::kDouble).view({2, 3});
  const at::Tensor y = at::linspace(1, 3, 6, at::kDouble).view({2, 3});
  EXPECT_LT(MaxGradientError([](const auto& in) { return in[0].exp() * in[1].log(); }, {x, y}),
            1e-8);
}

TEST(MaxGradientErrorTest, IsLargeForAWrongOne) {
  const at::Tensor x = at::linspace(1, 2, 5, at::kDouble);
  const auto wrong = [](const auto& in) { return in[0] * in[0].detach(); };
  EXPECT_GT(MaxGradientError(wrong, {x}), 0.4) << "half of the gradient of x^2";
  const auto none = [](const auto& in) { return in[0].detach() + 0 * in[0].sum(); };
  EXPECT_GT(MaxGradientError(none, {x}), 0.9);
}

TEST(MaxGradientErrorTest, PassesIndicesThrough) {
  const at::Tensor x = at::linspace(1, 2, 5, at::kDouble);
  const at::Tensor index = at::tensor({4, 0, 4}, at::kLong);
  EXPECT_LT(
      MaxGradientError([](const auto& in) { return in[0].index_select(0, in[1]); }, {x, index}),
      1e-8);
}

}  // namespace
}  // namespace rcnn::ops::testing
