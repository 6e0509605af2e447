#include "rcnn/ops/loss_normalizer.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"

namespace rcnn::ops {
namespace {

at::Tensor Samples(int64_t count) { return at::zeros({count}, at::kLong); }

TEST(LossNormalizerTest, TheGivenNumberWins) {
  const LossNormalizer normalizer(4.0, {Samples(10)});
  EXPECT_EQ(normalizer.Divide(at::scalar_tensor(10.0)).item<double>(), 2.5);
  EXPECT_EQ(normalizer.Scale(at::scalar_tensor(10.0), 2).item<double>(), 5);
}

TEST(LossNormalizerTest, CountsTheSamplesOfAllTensors) {
  const LossNormalizer normalizer(c10::nullopt, {Samples(3), Samples(5)});
  EXPECT_EQ(normalizer.Divide(at::scalar_tensor(16.0)).item<double>(), 2);
  EXPECT_EQ(normalizer.Scale(at::scalar_tensor(16.0), 3).item<double>(), 6);
}

TEST(LossNormalizerTest, NoSampleDividesByOne) {
  const LossNormalizer normalizer(c10::nullopt, {Samples(0), Samples(0)});
  EXPECT_EQ(normalizer.Divide(at::scalar_tensor(0.5)).item<double>(), 0.5);
}

// Divided as by a number of Python, not multiplied by its reciprocal.
TEST(LossNormalizerTest, DividesExactly) {
  const LossNormalizer normalizer(c10::nullopt, {Samples(49)});
  const at::Tensor loss = at::scalar_tensor(7.7, at::kFloat);
  EXPECT_EQ(normalizer.Divide(loss).item<float>(), 7.7f / 49.0f);
}

}  // namespace
}  // namespace rcnn::ops
