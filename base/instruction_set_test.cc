#include "rcnn/base/instruction_set.h"

#include <string>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

TEST(InstructionSetTest, IsTheStoredLevel) {
  const InstructionLevel before = CurrentInstructionLevel();
  EXPECT_LE(before, SupportedInstructionLevel());
  StoreInstructionLevel(InstructionLevel::kPortable);
  EXPECT_EQ(CurrentInstructionLevel(), InstructionLevel::kPortable);
  StoreInstructionLevel(before);
  EXPECT_EQ(CurrentInstructionLevel(), before);
}

TEST(InstructionSetTest, EveryLevelHasAName) {
  EXPECT_EQ(static_cast<size_t>(InstructionLevel::kAvx512Bf16) + 1, kInstructionLevelNames.size());
  EXPECT_EQ(std::string(kInstructionLevelNames[static_cast<size_t>(InstructionLevel::kAvx2)]),
            "avx2");
}

}  // namespace
}  // namespace rcnn
