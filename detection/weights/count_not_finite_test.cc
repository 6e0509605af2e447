#include "rcnn/detection/weights/count_not_finite.h"

#include <ATen/ATen.h>

#include <limits>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection::weights {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(CountNotFiniteTest, CountsNanAndBothInfinitiesOfEveryType) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) {
    SCOPED_TRACE(c10::toString(type));
    const at::Tensor values =
        at::tensor({0.0, -0.0, 1.0, kNan, kInfinity, -kInfinity, 1e-40, 6e4, -2.0}).to(type);
    EXPECT_EQ(CountNotFinite(values), 3);
    EXPECT_EQ(CountNotFinite(values.view({3, 3}).t()), 3);
    EXPECT_EQ(CountNotFinite(values.slice(0, 0, 3)), 0);
    EXPECT_EQ(CountNotFinite(values[3]), 1) << "a scalar";
    EXPECT_EQ(CountNotFinite(values.slice(0, 0, 0)), 0);
  }
}

TEST(CountNotFiniteTest, AcceptsTheLargestNumbers) {
  const float largest = std::numeric_limits<float>::max();
  EXPECT_EQ(CountNotFinite(at::full({100}, largest)), 0);
  EXPECT_EQ(CountNotFinite(at::full({100}, -largest)), 0);
}

class CountNotFiniteLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, CountNotFiniteLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

// Larger than what a thread takes at a time, with bad values at the seams.
TEST_P(CountNotFiniteLevelTest, FindsEveryValueOfALargeTensor) {
  const int64_t piece = int64_t{1} << 18, size = 3 * piece + 5;
  at::Tensor values = at::ones({size});
  int64_t count = 0;
  for (const int64_t at : {int64_t{0}, piece - 1, piece, 2 * piece + 7, size - 1}) {
    values[at] = kNan;
    EXPECT_EQ(CountNotFinite(values), ++count);
  }
}

}  // namespace
}  // namespace rcnn::detection::weights
