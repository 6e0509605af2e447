#include "rcnn/training/trainer/operator_update.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

UpdateGate Gate(double scale, bool applies) {
  return {at::full({}, scale), at::full({}, applies, at::kBool)};
}

TEST(NormOfGradientsTest, IsThatOfAllElements) {
  const at::Tensor norm =
      NormOfGradients({at::full({2}, 2.0f), {}, at::full({1, 1}, 1.0f)}, at::kCPU);
  EXPECT_EQ(norm.scalar_type(), at::kDouble);
  // Each gradient's own norm is float32.
  EXPECT_FLOAT_EQ(norm.item<float>(), 3);
  EXPECT_EQ(NormOfGradients({at::Tensor()}, at::kCPU).item<double>(), 0);
}

TEST(NormOfGradientsTest, IsNotFiniteIfAnElementIsNot) {
  for (const float value :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const at::Tensor bad = at::tensor({1.0f, value, 1.0f});
    EXPECT_FALSE(std::isfinite(NormOfGradients({at::ones({3}), bad}, at::kCPU).item<double>()));
  }
}

// v = m v + (g + decay w) = 8 + 4 + 1 = 13, w = 2 - 13 / 4, for g = 0.5 * 8, decay 1/2, m 1/2 of
// v = 16.
TEST(UpdateSgdTest, WithTheRateOutside) {
  const at::Tensor w = at::full({1}, 2.0f), v = at::full({1}, 16.0f);
  UpdateSgd(w, at::full({1}, 8.0f), v, {0.25, 0.5, 0.5, false}, Gate(0.5, true));
  EXPECT_EQ(v.item<float>(), 13);
  EXPECT_EQ(w.item<float>(), 2 - 13.0f / 4);
}

// v = m v + rate (g + decay w) = 8 + 5 / 4, w = 2 - v.
TEST(UpdateSgdTest, WithTheRateInside) {
  const at::Tensor w = at::full({1}, 2.0f), v = at::full({1}, 16.0f);
  UpdateSgd(w, at::full({1}, 8.0f), v, {0.25, 0.5, 0.5, true}, Gate(0.5, true));
  EXPECT_EQ(v.item<float>(), 9.25f);
  EXPECT_EQ(w.item<float>(), -7.25f);
}

// The formulas of solver.cc in double.
TEST(UpdateAdamWTest, EqualsItsFormulas) {
  const AdamWFactors f = {0.01, 0.1, 0.9, 0.999, 1e-8};
  const at::Tensor w = at::full({1}, 1.0f), m = at::zeros({1}), v = at::zeros({1});
  const at::Tensor updates = at::zeros({}, at::kLong);
  double want = 1, first = 0, second = 0;
  for (int t = 1; t <= 20; ++t) {
    const double g = std::sin(t);
    UpdateAdamW(w, at::full({1}, 4 * g, at::kFloat), m, v, updates, f, Gate(0.25, true));
    first = f.beta1 * first + (1 - f.beta1) * g;
    second = f.beta2 * second + (1 - f.beta2) * g * g;
    want -= f.rate * f.decay * want;
    want -= f.rate * (first / (1 - std::pow(f.beta1, t))) /
            (std::sqrt(second / (1 - std::pow(f.beta2, t))) + f.epsilon);
    EXPECT_NEAR(w.item<float>(), want, 5e-6) << t;  // some float32 roundings an update
  }
  EXPECT_EQ(updates.item<int64_t>(), 20);
}

TEST(UpdateTest, ThatDoesNotApplyChangesNoBit) {
  const at::Tensor nan = at::full({2}, std::numeric_limits<float>::quiet_NaN());
  const at::Tensor w = at::full({2}, 1.5f), first = at::full({2}, 2.5f), second = at::ones({2});
  const at::Tensor updates = at::zeros({}, at::kLong);
  UpdateSgd(w, nan, first, {0.25, 0.5, 0.5, false}, Gate(1, false));
  UpdateAdamW(w, nan, first, second, updates, {0.01, 0.1, 0.9, 0.999, 1e-8}, Gate(1, false));
  EXPECT_TRUE(w.equal(at::full({2}, 1.5f)));
  EXPECT_TRUE(first.equal(at::full({2}, 2.5f)));
  EXPECT_TRUE(second.equal(at::ones({2})));
  EXPECT_EQ(updates.item<int64_t>(), 0);
}

}  // namespace
}  // namespace rcnn::training
