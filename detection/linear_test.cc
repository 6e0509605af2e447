#include "rcnn/detection/linear.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/testing/normed_conv.h"
#include "rcnn/detection/testing/slow_layers.h"

namespace rcnn::detection {
namespace {

TEST(LinearTest, IsTheProductPlusTheBias) {
  torch::nn::Module module;
  const auto linear = AddLinear(module, "fc", 7, 3, {});
  FillAtRandom(module, 1, 5);
  module.to(at::kDouble);
  const at::Tensor x = at::randn({4, 7}, SeededGenerator(), at::kDouble);
  const at::Tensor expected = SlowLinear(x, linear->weight(), linear->bias());
  EXPECT_TRUE(Near(linear->Forward(x), expected, 1e-12));
  EXPECT_TRUE(Near(linear->Forward(x, Activation::kRelu), expected.clamp_min(0), 1e-12));
  EXPECT_LT(expected.min().item<double>(), 0);
  EXPECT_EQ(linear->Forward(x.slice(0, 0, 0)).sizes().vec(), (std::vector<int64_t>{0, 3}));
}

// By rcnn's own product, where there is one; with gradients by LibTorch's.
TEST(LinearTest, WithoutGradientsOtherRowsChangeNoBit) {
  torch::nn::Module module;
  const auto linear = AddLinear(module, "fc", 300, 50, {});
  FillAtRandom(module, 1, 5);
  const at::Tensor x = at::randn({90, 300}, SeededGenerator());
  const at::Tensor exact = SlowLinear(x, linear->weight(), linear->bias()).clamp_min(0);
  const at::Tensor trained = linear->Forward(x, Activation::kRelu);
  EXPECT_TRUE(trained.requires_grad());
  EXPECT_TRUE(Near(trained.detach(), exact, 1e-5));
  at::NoGradGuard no_grad;
  const at::Tensor y = linear->Forward(x, Activation::kRelu);
  EXPECT_TRUE(Near(y, exact, 1e-5));
  EXPECT_TRUE(Near(linear->Forward(x.t().contiguous().t(), Activation::kRelu), exact, 1e-5));
  EXPECT_THROW(linear->Forward(at::zeros({4, 301})), c10::Error);
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  EXPECT_TRUE(linear->Forward(x.slice(0, 31, 50), Activation::kRelu).equal(y.slice(0, 31, 50)));
}

}  // namespace
}  // namespace rcnn::detection
