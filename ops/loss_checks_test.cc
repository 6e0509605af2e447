#include "rcnn/ops/loss_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "rcnn/ops/error_message.h"

namespace rcnn::ops {
namespace {

using ::testing::StartsWith;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLargestFloat = std::numeric_limits<float>::max();

TEST(LossChecksTest, ANormalizerIsPositiveAndFiniteIfItIsSet) {
  CheckLossNormalizer("box_normalizer", c10::nullopt);
  CheckLossNormalizer("box_normalizer", 1e-300);
  for (const double bad : {0.0, -1.0, kInfinity, std::nan("")}) {
    EXPECT_THAT(ErrorMessage([&] { CheckLossNormalizer("box_normalizer", bad); }),
                StartsWith("box_normalizer: expected > 0 and finite, got "));
  }
}

TEST(LossChecksTest, AWeightIsNotNegativeAndFinite) {
  CheckBoxWeight(0);
  for (const double bad : {-1.0, kInfinity, std::nan("")}) {
    EXPECT_THAT(ErrorMessage([&] { CheckBoxWeight(bad); }),
                StartsWith("box_weight: expected >= 0 and finite, got "));
  }
}

TEST(LossChecksTest, BetaIsAtMostTheLargestFloat32) {
  CheckSmoothL1Beta(0);
  CheckSmoothL1Beta(kLargestFloat);
  for (const double bad : {-1.0, std::nextafter(kLargestFloat, kInfinity), std::nan("")}) {
    EXPECT_THAT(ErrorMessage([&] { CheckSmoothL1Beta(bad); }),
                StartsWith("beta: expected >= 0 and finite, got "));
  }
}

}  // namespace
}  // namespace rcnn::ops
