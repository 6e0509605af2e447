#include "rcnn/base/instruction_level.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::HasSubstr;

TEST(InstructionLevelTest, NamesAreReadBack) {
  for (const InstructionLevel level : {InstructionLevel::kPortable, InstructionLevel::kAvx2,
                                       InstructionLevel::kAvx512, InstructionLevel::kAvx512Bf16}) {
    EXPECT_THAT(ParseInstructionLevel(InstructionLevelName(level)), IsOkAndHolds(level));
  }
  EXPECT_THAT(ParseInstructionLevel("sse9"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("'sse9' is not one of portable, avx2, avx512, avx512_bf16")));
}

TEST(InstructionLevelTest, CanBeLoweredAndNotRaised) {
  const InstructionLevel supported = SupportedInstructionLevel();
  EXPECT_THAT(SetInstructionLevel(InstructionLevel::kPortable), IsOk());
  EXPECT_EQ(CurrentInstructionLevel(), InstructionLevel::kPortable);
  if (supported < InstructionLevel::kAvx512Bf16) {
    EXPECT_THAT(SetInstructionLevel(InstructionLevel::kAvx512Bf16),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("this processor has no")));
  }
  EXPECT_THAT(SetInstructionLevel(supported), IsOk());
  EXPECT_EQ(CurrentInstructionLevel(), supported);
}

}  // namespace
}  // namespace rcnn
