#include "rcnn/base/autocast_scope.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

constexpr auto kCpu = c10::DeviceType::CPU;

at::Tensor Product(const at::Tensor& weight) { return at::linear(at::ones({2, 3}), weight); }

TEST(AutocastScopeTest, ComputesProductsInTheType) {
  const at::Tensor weight = at::full({4, 3}, 0.5f);
  {
    const AutocastScope scope(kCpu, at::kBFloat16);
    EXPECT_EQ(Product(weight).scalar_type(), at::kBFloat16);
  }
  EXPECT_EQ(Product(weight).scalar_type(), at::kFloat);
}

TEST(AutocastScopeTest, MayBeNested) {
  const at::Tensor weight = at::full({4, 3}, 0.5f);
  const AutocastScope outer(kCpu, at::kBFloat16);
  { const AutocastScope inner(kCpu, at::kBFloat16); }
  EXPECT_EQ(Product(weight).scalar_type(), at::kBFloat16);
}

// 1 + 2^-9 is 1 in bfloat16.
TEST(AutocastScopeTest, TheWeightsStayAndGetTheirGradientsInFloat32) {
  const float value = 1 + 1.0f / 512;
  const at::Tensor weight = at::full({4, 3}, value).requires_grad_();
  at::Tensor sum;
  {
    const AutocastScope scope(kCpu, at::kBFloat16);
    sum = Product(weight).to(at::kFloat).sum();
  }
  EXPECT_EQ(sum.item<float>(), 24);
  sum.backward();
  EXPECT_EQ(weight.grad().scalar_type(), at::kFloat);
  EXPECT_TRUE(weight.grad().equal(at::full({4, 3}, 2.0f)));
  EXPECT_EQ(weight[0][0].item<float>(), value);
}

TEST(AutocastScopeTest, TheTypeIsKnown) {
  EXPECT_FALSE(AutocastType(kCpu).has_value());
  const AutocastScope scope(kCpu, at::kBFloat16);
  EXPECT_EQ(AutocastType(kCpu), at::kBFloat16);
}

// Autocast keeps the converted form of a weight that is trained until the end of the scope.
TEST(AutocastScopeTest, WithoutItsCacheAWeightThatChangesIsConvertedAgain) {
  at::Tensor weight = at::ones({4, 3}).requires_grad_();
  const AutocastScope scope(kCpu, at::kBFloat16);
  const auto first = [&] { return Product(weight)[0][0].item<float>(); };
  const auto set = [&](double value) {
    const at::NoGradGuard no_grad;
    weight.fill_(value);
  };
  {
    const UncachedAutocastScope uncached;
    EXPECT_EQ(first(), 3);
    set(2);
    EXPECT_EQ(first(), 6);
  }
  EXPECT_EQ(first(), 6);
  set(1);
  EXPECT_EQ(first(), 6);
}

TEST(AutocastScopeTest, ACacheOfItsOwnTakesNothingAndLeavesNothing) {
  at::Tensor weight = at::ones({4, 3}).requires_grad_();
  const AutocastScope scope(kCpu, at::kBFloat16);
  const auto first = [&] { return Product(weight)[0][0].item<float>(); };
  const auto set = [&](double value) {
    const at::NoGradGuard no_grad;
    weight.fill_(value);
  };
  EXPECT_EQ(first(), 3);
  set(2);
  EXPECT_EQ(first(), 3) << "as autocast has kept the weight";
  {
    const OwnAutocastCacheScope own;
    EXPECT_EQ(first(), 6);
    set(3);
    EXPECT_EQ(first(), 6);
  }
  EXPECT_EQ(first(), 9);
}

}  // namespace
}  // namespace rcnn
