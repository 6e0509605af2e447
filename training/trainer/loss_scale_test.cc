#include "rcnn/training/trainer/loss_scale.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

at::Tensor Bool(bool value) { return at::full({}, value, at::kBool); }

void Update(LossScale& scale, bool finite, int64_t times) {
  for (int64_t i = 0; i < times; ++i) scale.Update(Bool(finite));
}

double Value(const LossScale& scale) { return scale.value().item<float>(); }

TEST(LossScaleTest, ScalesTheLossAndItsGradient) {
  const LossScale scale(at::kCPU);
  const at::Tensor weight = at::full({}, 3.0f).requires_grad_();
  const at::Tensor scaled = scale.Scale(weight * 2);
  EXPECT_EQ(scaled.item<float>(), 6 * LossScale::kFirst);
  scaled.backward();
  EXPECT_EQ(weight.grad().item<float>(), 2 * LossScale::kFirst);
}

TEST(LossScaleTest, HalvesAtEachOverflow) {
  LossScale scale(at::kCPU);
  Update(scale, false, 3);
  EXPECT_EQ(Value(scale), LossScale::kFirst / 8);
}

TEST(LossScaleTest, DoublesAfterManyGoodUpdates) {
  LossScale scale(at::kCPU);
  Update(scale, true, LossScale::kGrowthInterval - 1);
  EXPECT_EQ(Value(scale), LossScale::kFirst);
  Update(scale, true, 1);
  EXPECT_EQ(Value(scale), 2 * LossScale::kFirst);
  EXPECT_EQ(scale.good_updates().item<int64_t>(), 0);
}

TEST(LossScaleTest, AnOverflowStartsTheCountAgain) {
  LossScale scale(at::kCPU);
  Update(scale, true, LossScale::kGrowthInterval - 1);
  Update(scale, false, 1);
  Update(scale, true, LossScale::kGrowthInterval - 1);
  EXPECT_EQ(Value(scale), LossScale::kFirst / 2);
  Update(scale, true, 1);
  EXPECT_EQ(Value(scale), LossScale::kFirst);
}

TEST(LossScaleTest, HasLimits) {
  LossScale scale(at::kCPU);
  EXPECT_TRUE(scale.CanShrink().item<bool>());
  Update(scale, false, 16);
  EXPECT_EQ(Value(scale), LossScale::kLeast);
  EXPECT_FALSE(scale.CanShrink().item<bool>());
  Update(scale, false, 1);
  EXPECT_EQ(Value(scale), LossScale::kLeast);
  scale.value().fill_(LossScale::kMost);
  Update(scale, true, LossScale::kGrowthInterval);
  EXPECT_EQ(Value(scale), LossScale::kMost);
}

}  // namespace
}  // namespace rcnn::training
