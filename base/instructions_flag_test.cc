#include "rcnn/base/instructions_flag.h"

#include <gflags/gflags.h>
#include <stdlib.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/instruction_set.h"
#include "rcnn/base/instructions_variable.h"

namespace rcnn {
namespace {

using ::testing::ExitedWithCode;
using ::testing::StartsWith;

class InstructionsFlagTest : public ::testing::Test {
 protected:
  ~InstructionsFlagTest() override { unsetenv(kInstructionsVariable); }

  static void SetVariable(const char* value) {
    setenv(kInstructionsVariable, value, /*overwrite=*/1);
  }

  gflags::FlagSaver flags_;
};

TEST_F(InstructionsFlagTest, AnUnknownLevelInTheEnvironmentIsAUsageError) {
  SetVariable("avx3");
  constexpr char kError[] =
      "error: RCNN_INSTRUCTIONS=avx3: 'avx3' is not one of portable, avx2, avx512, avx512_bf16\n";
  EXPECT_EXIT(CheckInstructionsVariable(), ExitedWithCode(2), StartsWith(kError));
  EXPECT_EXIT(ApplyInstructionsFlag(), ExitedWithCode(2), StartsWith(kError));
  // The flag does not hide it.
  FLAGS_instructions = "portable";
  EXPECT_EXIT(ApplyInstructionsFlag(), ExitedWithCode(2), StartsWith(kError));
}

TEST_F(InstructionsFlagTest, LevelsAndNothingAreCorrect) {
  CheckInstructionsVariable();
  for (const char* value : {"", "portable", "avx2", "avx512", "avx512_bf16"}) {
    SetVariable(value);
    CheckInstructionsVariable();
  }
}

TEST_F(InstructionsFlagTest, SetsTheLevelOfTheFlag) {
  const InstructionLevel before = CurrentInstructionLevel();
  ApplyInstructionsFlag();
  EXPECT_EQ(CurrentInstructionLevel(), before);
  FLAGS_instructions = "portable";
  ApplyInstructionsFlag();
  EXPECT_EQ(CurrentInstructionLevel(), InstructionLevel::kPortable);
  StoreInstructionLevel(before);
  FLAGS_instructions = "sse9";
  EXPECT_EXIT(ApplyInstructionsFlag(), ExitedWithCode(2),
              StartsWith("error: --instructions=sse9: 'sse9' is not one of portable, avx2"));
}

}  // namespace
}  // namespace rcnn
