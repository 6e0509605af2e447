#include "rcnn/detection/convolution/precision.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;

TEST(PrecisionTest, NamesAreReadBack) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    EXPECT_THAT(ParsePrecision(PrecisionName(precision)), IsOkAndHolds(precision));
  }
  EXPECT_THAT(ParsePrecision("int8"), StatusIs(absl::StatusCode::kInvalidArgument,
                                               HasSubstr("'int8' is not float32 or bfloat16")));
}

class SupportedPrecisionTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, SupportedPrecisionTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(SupportedPrecisionTest, Bfloat16NeedsItsInstructions) {
  EXPECT_EQ(SupportedPrecision(Precision::kFloat32), Precision::kFloat32);
  EXPECT_EQ(SupportedPrecision(Precision::kBfloat16), GetParam() == InstructionLevel::kAvx512Bf16
                                                          ? Precision::kBfloat16
                                                          : Precision::kFloat32);
}

}  // namespace
}  // namespace rcnn::detection
