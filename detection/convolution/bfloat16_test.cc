#include "rcnn/detection/convolution/bfloat16.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

float Rounded(float x) { return ToFloat(RoundToBfloat16(x)); }

TEST(Bfloat16Test, NumbersOfEightBitsAreExact) {
  for (const float x : {0.0f, 1.0f, -2.0f, 0.5f, 255.0f, 1.0078125f}) {
    EXPECT_EQ(Rounded(x), x);
  }
}

TEST(Bfloat16Test, RoundsToTheNearestAndTiesToEven) {
  constexpr float kStep = 1.0f / 128;  // between numbers from 1 to 2
  EXPECT_EQ(Rounded(1 + 0.49f * kStep), 1);
  EXPECT_EQ(Rounded(1 + 0.51f * kStep), 1 + kStep);
  EXPECT_EQ(Rounded(1 + 0.5f * kStep), 1);
  EXPECT_EQ(Rounded(1 + 1.5f * kStep), 1 + 2 * kStep);
  EXPECT_EQ(Rounded(-1 - 1.5f * kStep), -1 - 2 * kStep);
}

TEST(Bfloat16Test, TheLargestNumbersBecomeInfinite) {
  EXPECT_EQ(Rounded(std::numeric_limits<float>::max()), std::numeric_limits<float>::infinity());
  EXPECT_EQ(Rounded(-std::numeric_limits<float>::infinity()),
            -std::numeric_limits<float>::infinity());
}

TEST(Bfloat16Test, DenormalsBecomeZeroAndNanStays) {
  EXPECT_EQ(Rounded(1e-40f), 0);
  EXPECT_TRUE(std::signbit(Rounded(-1e-40f)));
  EXPECT_TRUE(std::isnan(Rounded(std::nanf(""))));
  EXPECT_TRUE(std::isnan(Rounded(-std::nanf("1"))));
}

}  // namespace
}  // namespace rcnn::detection
