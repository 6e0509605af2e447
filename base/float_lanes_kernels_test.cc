#include "rcnn/base/float_lanes_kernels.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

#if defined(__x86_64__)

namespace rcnn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A number for each lane.
using Numbers = std::array<float, 16>;
constexpr Numbers kA = {1.1f,  -2.3f, 0.0f, -0.0f, kInfinity, kNan,  3e38f,  1e-38f,
                        7.77f, 1e-3f, kNan, 5.0f,  -1.5f,     0.25f, -3e38f, 9.9f};
constexpr Numbers kB = {0.7f, 4.1f, -0.0f, 0.0f,      2.0f,  1.0f, 2.0f, 0.3f,
                        3.3f, 1e5f, kNan,  kInfinity, -2.5f, kNan, 3.0f, -9.9f};
constexpr Numbers kC = {1e7f, -0.1f, 1.0f, -1.0f, -kInfinity, 0.5f, 1.0f, -2e-39f,
                        0.3f, 6.0f,  0.0f, 1.0f,  3.75f,      2.0f, kNan, 98.01f};

constexpr int64_t kResults = 10;

// Result r of lane i at results[r][i].
using Results = std::array<Numbers, kResults>;

// Defines name(first, results): the lanes from `first` on.
#define RCNN_COMPUTE(name, attribute, lanes)                                     \
  attribute void name(int64_t first, Results& results) {                         \
    const lanes::Lanes a = lanes::Load(&kA[first]), b = lanes::Load(&kB[first]); \
    const lanes::Lanes c = lanes::Load(&kC[first]);                              \
    lanes::Store(&results[0][first], lanes::Zero());                             \
    lanes::Store(&results[1][first], lanes::Set(1.5f));                          \
    lanes::Store(&results[2][first], a);                                         \
    lanes::Store(&results[3][first], lanes::Add(a, b));                          \
    lanes::Store(&results[4][first], lanes::Sub(a, b));                          \
    lanes::Store(&results[5][first], lanes::Mul(a, b));                          \
    lanes::Store(&results[6][first], lanes::Max(a, b));                          \
    lanes::Store(&results[7][first], lanes::MultiplyAdd(a, b, c));               \
    lanes::Store(&results[8][first], lanes::NegativeMultiplyAdd(a, b, c));       \
    lanes::Store(&results[9][first], lanes::Add(lanes::Mul(a, b), c));           \
  }

RCNN_COMPUTE(ComputeEight, RCNN_AVX2, avx2_lanes)
RCNN_COMPUTE(ComputeSixteen, RCNN_AVX512, avx512_lanes)

std::array<float, kResults> Expected(float a, float b, float c) {
  return {
      0.0f,     1.5f, a, a + b, a - b, a * b, a > b ? a : b, std::fma(a, b, c), std::fma(-a, b, c),
      a * b + c};
}

bool HasSameBits(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof(a)) == 0;
}

void ExpectAsDefined(const Results& results) {
  for (size_t i = 0; i < kA.size(); ++i) {
    const auto expected = Expected(kA[i], kB[i], kC[i]);
    for (size_t r = 0; r < expected.size(); ++r) {
      EXPECT_TRUE(HasSameBits(results[r][i], expected[r]))
          << "lane " << i << ", result " << r << ": " << results[r][i] << ", not " << expected[r];
    }
  }
}

TEST(FloatLanesTest, OfEightAreAsDefined) {
  RCNN_SKIP_WITHOUT(InstructionLevel::kAvx2);
  static_assert(avx2_lanes::kLanes == 8);
  Results results = {};
  ComputeEight(0, results);
  ComputeEight(8, results);
  ExpectAsDefined(results);
}

TEST(FloatLanesTest, OfSixteenAreAsDefined) {
  RCNN_SKIP_WITHOUT(InstructionLevel::kAvx512);
  static_assert(avx512_lanes::kLanes == 16);
  Results results = {};
  ComputeSixteen(0, results);
  ExpectAsDefined(results);
}

// The numbers above tell one rounding from two.
TEST(FloatLanesTest, TheTestTellsAFusedProduct) {
  int different = 0;
  for (size_t i = 0; i < kA.size(); ++i) {
    const auto expected = Expected(kA[i], kB[i], kC[i]);
    different += HasSameBits(expected[7], expected[9]) ? 0 : 1;
  }
  EXPECT_GT(different, 0);
}

}  // namespace
}  // namespace rcnn

#endif
