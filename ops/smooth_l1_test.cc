#include "rcnn/ops/smooth_l1.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/grad_check.h"
#include "rcnn/ops/testing/random_boxes.h"

namespace rcnn::ops {
namespace {

using ::testing::StartsWith;

at::Tensor Normal(at::IntArrayRef shape) {
  static at::Generator generator = testing::TestGenerator();
  return at::randn(shape, generator, at::kDouble);
}

// The formula of smooth_l1.h.
double Reference(double x, double beta) {
  return std::abs(x) < beta ? x * x / (2 * beta) : std::abs(x) - beta / 2;
}

TEST(SmoothL1Test, EqualsTheFormula) {
  const at::Tensor targets = Normal({40, 4});
  const at::Tensor predictions = targets + Normal({40, 4});
  for (const double beta : {0.0, 1.0 / 9, 0.5, 1.0, 3.0}) {
    const at::Tensor loss = SmoothL1(predictions, targets, {beta});
    double sum = 0;
    for (int64_t i = 0; i < 160; ++i) {
      const double x = (predictions - targets).view({-1})[i].item<double>();
      EXPECT_NEAR(loss.view({-1})[i].item<double>(), Reference(x, beta), 1e-12);
      sum += Reference(x, beta);
    }
    EXPECT_NEAR(SmoothL1Sum(predictions, targets, {beta}).item<double>(), sum, 1e-10);
    const at::Tensor single =
        SmoothL1Sum(predictions.to(at::kFloat), targets.to(at::kFloat), {beta});
    EXPECT_NEAR(single.item<float>(), sum, 1e-4 * sum);
  }
}

// 0.5 sigma^2 x^2 if |x| < 1 / sigma^2, else |x| - 0.5 / sigma^2.
TEST(SmoothL1Test, SigmaIsBeta) {
  EXPECT_DOUBLE_EQ(SmoothL1FromSigma(1).beta, 1);
  EXPECT_DOUBLE_EQ(SmoothL1FromSigma(3).beta, 1.0 / 9);
  const at::Tensor x = at::tensor({0.05, 1.0}, at::kDouble);
  const at::Tensor loss = SmoothL1(x, at::zeros_like(x), SmoothL1FromSigma(3));
  EXPECT_NEAR(loss[0].item<double>(), 0.5 * 9 * 0.05 * 0.05, 1e-15);
  EXPECT_NEAR(loss[1].item<double>(), 1 - 0.5 / 9, 1e-15);
}

TEST(SmoothL1Test, GradientsEqualFiniteDifferences) {
  const at::Tensor targets = Normal({5, 4});
  const at::Tensor predictions = targets + Normal({5, 4});
  for (const double beta : {0.0, 1.0 / 9, 1.0}) {
    const auto loss = [&](const auto& in) { return SmoothL1(in[0], in[1], {beta}); };
    EXPECT_LT(testing::MaxGradientError(loss, {predictions, targets}), 1e-6);
    const auto sum = [&](const auto& in) { return SmoothL1Sum(in[0], in[1], {beta}); };
    EXPECT_LT(testing::MaxGradientError(sum, {predictions, targets}), 1e-6);
  }
}

TEST(SmoothL1Test, NoElementsSumToZeroWithGradient) {
  at::Tensor none = at::zeros({0, 4}).requires_grad_();
  const at::Tensor sum = SmoothL1Sum(none, at::zeros({0, 4}));
  EXPECT_EQ(sum.item<float>(), 0);
  sum.backward();
  EXPECT_EQ(none.grad().sizes(), at::IntArrayRef({0, 4}));
}

TEST(SmoothL1Test, NamesBadArguments) {
  const at::Tensor x = Normal({3, 4});
  const auto error_message = [&](const at::Tensor& targets, double beta = 1) {
    return ErrorMessage([&] { SmoothL1(x, targets, {beta}); });
  };
  EXPECT_THAT(error_message(Normal({4})), StartsWith("targets: expected shape [3, 4], got [4]"));
  EXPECT_THAT(error_message(x.to(at::kFloat)), StartsWith("targets: is [3, 4] float32"));
  EXPECT_THAT(error_message(x / 0), StartsWith("targets: row 0 is ("));
  EXPECT_THAT(error_message(x, -1), StartsWith("beta: expected >= 0"));
  EXPECT_THAT(error_message(x, 1e300), StartsWith("beta: expected >= 0"));
  EXPECT_THAT(error_message(x, NAN), StartsWith("beta: expected >= 0"));
  EXPECT_THAT(ErrorMessage([&] { SmoothL1FromSigma(0); }), StartsWith("sigma: expected > 0"));
}

}  // namespace
}  // namespace rcnn::ops
