#include "rcnn/base/target_clones.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn {
namespace {

// The name of the function that it has become a part of.
RCNN_LOOP const char* NameCaller(const char* caller = __builtin_FUNCTION()) { return caller; }
RCNN_TARGET_CLONES(const char*, Which, NameCaller, (), ());

template <typename T>
RCNN_LOOP void ScaleLoop(T* x, int64_t n, T by) {
  for (int64_t i = 0; i < n; ++i) x[i] = x[i] * by + by;
}
RCNN_TARGET_CLONES(void, Scale, ScaleLoop, (float* __restrict x, int64_t n, float by), (x, n, by));
RCNN_TARGET_CLONES(void, Scale, ScaleLoop, (double* __restrict x, int64_t n, double by),
                   (x, n, by));

class TargetClonesTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, TargetClonesTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(TargetClonesTest, RunsTheCloneOfTheLevel) {
#if defined(__x86_64__)
  const std::string expected = GetParam() >= InstructionLevel::kAvx512 ? "WhichOnAvx512"
                               : GetParam() >= InstructionLevel::kAvx2 ? "WhichOnAvx2"
                                                                       : "Which";
#else
  const std::string expected = "Which";
#endif
  EXPECT_EQ(Which(), expected);
}

// A third of these sums differ by an ulp if the products are not rounded.
TEST_P(TargetClonesTest, ProductsAreRoundedAtEveryLevel) {
  for (const int64_t n : {0, 1, 7, 8, 37}) {
    std::vector<float> x(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) x[i] = 0.1f + static_cast<float>(i);
    std::vector<double> wide(x.begin(), x.end());
    std::vector<float> expected;
    for (const float value : x) {
      const volatile float product = value * 0.1f;
      expected.push_back(product + 0.1f);
    }
    std::vector<double> wide_expected;
    for (const double value : wide) {
      const volatile double product = value * 0.1;
      wide_expected.push_back(product + 0.1);
    }
    Scale(x.data(), n, 0.1f);
    Scale(wide.data(), n, 0.1);
    EXPECT_EQ(x, expected) << n;
    EXPECT_EQ(wide, wide_expected) << n;
  }
}

}  // namespace
}  // namespace rcnn
