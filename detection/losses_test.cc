#include "rcnn/detection/losses.h"

#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/error_message.h"

namespace rcnn::detection {
namespace {

TEST(LossesTest, TheTotalIsTheSumOfTheParts) {
  Losses losses = {{{"a", at::tensor(1.5f)}}, {{"rows", 3}}};
  losses.Append({{{"b", at::tensor(2.0f)}}, {{"columns", 4}}});
  EXPECT_EQ(losses.Total().item<float>(), 3.5f);
  EXPECT_EQ(losses.Part("b").item<float>(), 2.0f);
  EXPECT_EQ(losses.Count("columns"), 4);
}

TEST(LossesTest, AppendKeepsWhetherOutputsAreFinite) {
  Losses losses, more;
  losses.finite = {{"rpn", at::scalar_tensor(true, at::kBool)}};
  more.finite = {{"head", at::scalar_tensor(false, at::kBool)}};
  losses.Append(more);
  ASSERT_EQ(losses.finite.size(), 2u);
  EXPECT_EQ(losses.finite[1].first, "head");
  EXPECT_FALSE(losses.finite[1].second.item<bool>());
}

TEST(LossesTest, WithoutPartsThereIsNoTotal) { EXPECT_FALSE(Losses().Total().defined()); }

TEST(LossesTest, AnUnknownNameIsAnErrorThatSaysIt) {
  const Losses losses = {{{"a", at::tensor(1.0f)}}, {}};
  EXPECT_THAT(ops::ErrorMessage([&] { losses.Part("mask"); }), ::testing::HasSubstr("named mask"));
}

}  // namespace
}  // namespace rcnn::detection
