#include "rcnn/detection/convolution/half.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr Half kInfinite = 0x7c00, kSign = 0x8000;

// By the definition, of a positive number; that after the largest is 2^16.
double Value(Half x) {
  const int exponent = x >> 10, mantissa = x & 0x3ff;
  return exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(HalfTest, EveryNumberHasItsValueAndIsItsOwnRounding) {
  for (Half x = 0; x < kInfinite; ++x) {
    const float value = HalfToFloat(x);
    ASSERT_EQ(value, Value(x)) << x;
    ASSERT_EQ(HalfToFloat(x | kSign), -value) << x;
    ASSERT_EQ(RoundToHalf(value), x);
    ASSERT_EQ(RoundToHalf(-value), x | kSign);
  }
}

// Between all neighbours: the middle, which is a float, and what lies next to it.
TEST(HalfTest, RoundsToTheNearestAndTiesToEven) {
  for (Half x = 0; x < kInfinite; ++x) {
    const Half next = x + 1, even = x % 2 == 0 ? x : next;
    const auto middle = static_cast<float>((Value(x) + Value(next)) / 2);
    ASSERT_EQ(RoundToHalf(middle), even) << x;
    ASSERT_EQ(RoundToHalf(-middle), even | kSign) << x;
    ASSERT_EQ(RoundToHalf(std::nextafter(middle, 0.0f)), x);
    ASSERT_EQ(RoundToHalf(std::nextafter(middle, kInfinity)), next);
  }
}

TEST(HalfTest, InfinityNanAndExtremeNumbers) {
  EXPECT_EQ(HalfToFloat(kInfinite), kInfinity);
  EXPECT_EQ(HalfToFloat(kInfinite | kSign), -kInfinity);
  for (const float x : {kInfinity, 1e30f, std::numeric_limits<float>::max()}) {
    EXPECT_EQ(RoundToHalf(x), kInfinite);
    EXPECT_EQ(RoundToHalf(-x), kInfinite | kSign);
  }
  for (const float x : {1e-30f, 1e-40f, std::numeric_limits<float>::denorm_min()}) {
    EXPECT_EQ(RoundToHalf(x), 0);
    EXPECT_EQ(RoundToHalf(-x), kSign);
  }
  EXPECT_TRUE(std::isnan(HalfToFloat(RoundToHalf(std::nanf("")))));
  EXPECT_TRUE(std::isnan(HalfToFloat(RoundToHalf(-std::nanf("1")))));
  for (Half x = kInfinite + 1; x < kSign; ++x) ASSERT_TRUE(std::isnan(HalfToFloat(x))) << x;
}

TEST(HalfScaleTest, LeavesTheLargestMagnitudeBelowTheLargestNumber) {
  for (const float largest : {0x1p-112f, 1.5e-30f, 0.1f, 1.0f, 1.9999999f, 32768.0f, 1e30f,
                              std::numeric_limits<float>::max()}) {
    const float scale = HalfScale(largest);
    EXPECT_GE(largest * scale, 0x1p14f) << largest;
    EXPECT_LT(largest * scale, 0x1p15f) << largest;
    EXPECT_EQ(scale, std::ldexp(1.0f, std::ilogb(scale))) << "a power of two";
    EXPECT_TRUE(std::isnormal(1 / scale)) << largest;
    EXPECT_LT(RoundToHalf(largest * scale), kInfinite) << largest;
  }
}

TEST(HalfScaleTest, OfZeroAndOfTheLeastNumbers) {
  EXPECT_EQ(HalfScale(0), 1);
  EXPECT_EQ(HalfScale(0x1p-113f), 0x1p126f);
  EXPECT_EQ(HalfScale(std::numeric_limits<float>::denorm_min()), 0x1p126f);
}

// Numbers of every magnitude down to 2^-60 of the largest of their row; the least become 0.
TEST(HalfScaleTest, NumbersChangeByNoMoreThanTheHeaderSays) {
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> fraction(1, 1.9999f);
  for (const int exponent : {-112, -60, -3, 0, 60, 127}) {
    const float largest = std::ldexp(fraction(generator), exponent), scale = HalfScale(largest);
    for (int i = 0; i < 6000; ++i) {
      const float x = std::ldexp(fraction(generator), exponent - 1 - i % 60);
      const double exact = x, kept = HalfToFloat(RoundToHalf(x * scale)) / double{scale};
      const double limit = std::max(std::ldexp(exact, -11), std::ldexp(double{largest}, -39));
      ASSERT_LE(std::abs(kept - exact), limit) << x << " of " << largest;
    }
  }
}

}  // namespace
}  // namespace rcnn::detection
