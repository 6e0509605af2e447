#include "rcnn/ops/kernels/element_types.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>

#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

// Equal, or both NaN.
bool IsSame(float a, float b) {
  return std::isnan(a) ? std::isnan(b) : BitsFromFloat(a) == BitsFromFloat(b);
}

template <typename Ours, typename Theirs>
Theirs FromBits(Ours value) {
  return Theirs(value.bits, Theirs::from_bits());
}

template <typename Ours, typename Theirs>
void ExpectToSumIsExact() {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Ours value{static_cast<uint16_t>(bits)};
    const float expected = static_cast<float>(FromBits<Ours, Theirs>(value));
    ASSERT_TRUE(IsSame(ToSum(value), expected)) << bits << ": " << ToSum(value);
  }
}

template <typename Ours, typename Theirs>
void ExpectSameRounding(float value) {
  Ours ours{};
  FromSum(value, &ours);
  const Theirs theirs(value);
  ASSERT_TRUE(IsSame(ToSum(ours), static_cast<float>(theirs)))
      << value << ": " << ToSum(ours) << " and " << static_cast<float>(theirs);
}

// All values, what lies halfway between two, its neighbours, and any bits.
template <typename Ours, typename Theirs>
void ExpectFromSumRoundsToNearest() {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = ToSum(Ours{static_cast<uint16_t>(bits)});
    const float next = ToSum(Ours{static_cast<uint16_t>(bits + 1)});
    const float middle = value + (next - value) / 2;
    for (const float near :
         {value, middle, std::nextafter(middle, value), std::nextafter(middle, next)}) {
      ExpectSameRounding<Ours, Theirs>(near);
    }
  }
  std::mt19937 random(testing::TestSeed());
  for (int i = 0; i < 1000000; ++i) {
    ExpectSameRounding<Ours, Theirs>(FloatFromBits(static_cast<uint32_t>(random())));
  }
}

TEST(ElementTypesTest, Float16EqualsLibTorchs) {
  ExpectToSumIsExact<Float16Bits, c10::Half>();
  ExpectFromSumRoundsToNearest<Float16Bits, c10::Half>();
}

TEST(ElementTypesTest, BFloat16EqualsLibTorchs) {
  ExpectToSumIsExact<BFloat16Bits, c10::BFloat16>();
  ExpectFromSumRoundsToNearest<BFloat16Bits, c10::BFloat16>();
}

TEST(ElementTypesTest, NanStaysNan) {
  Float16Bits half{};
  BFloat16Bits bfloat{};
  for (const uint32_t bits : {0x7f800001u, 0xffffffffu, 0x7fffffffu, 0xff800001u}) {
    FromSum(FloatFromBits(bits), &half);
    FromSum(FloatFromBits(bits), &bfloat);
    EXPECT_TRUE(std::isnan(ToSum(half)));
    EXPECT_TRUE(std::isnan(ToSum(bfloat)));
  }
}

}  // namespace
}  // namespace rcnn::ops
