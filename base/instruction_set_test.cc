#include "rcnn/base/instruction_set.h"

#include <stdexcept>
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

TEST(InstructionSetTest, ALowerLevelHasNoProductsOfBfloat16) {
  const InstructionLevel before = CurrentInstructionLevel();
  for (const InstructionLevel level :
       {InstructionLevel::kPortable, InstructionLevel::kAvx2, InstructionLevel::kAvx512}) {
    StoreInstructionLevel(level);
    EXPECT_FALSE(HasBfloat16Products());
  }
  StoreInstructionLevel(InstructionLevel::kAvx512Bf16);
  EXPECT_TRUE(HasBfloat16Products());
  EXPECT_FALSE(HasBfloat16Products(InstructionLevel::kAvx512));
  StoreInstructionLevel(before);
}

TEST(InstructionSetTest, EveryLevelHasAName) {
  EXPECT_EQ(static_cast<size_t>(InstructionLevel::kAvx512Bf16) + 1, kInstructionLevelNames.size());
  EXPECT_EQ(std::string(kInstructionLevelNames[static_cast<size_t>(InstructionLevel::kAvx2)]),
            "avx2");
}

TEST(InstructionSetTest, TheEnvironmentLowersTheLevel) {
  const InstructionLevel supported = SupportedInstructionLevel();
  EXPECT_EQ(LowerInstructionLevel("portable"), InstructionLevel::kPortable);
  EXPECT_EQ(LowerInstructionLevel("avx512_bf16"), supported);
  EXPECT_EQ(LowerInstructionLevel(""), supported);
  EXPECT_EQ(LowerInstructionLevel(nullptr), supported);
}

// "AVX2" and "avx512bf16" would otherwise test the wrong kernels.
TEST(InstructionSetTest, AnUnknownNameInTheEnvironmentIsAnError) {
  for (const std::string name : {"avx3", "AVX2", "avx512bf16", " avx2", "avx"}) {
    try {
      LowerInstructionLevel(name.c_str());
      ADD_FAILURE() << name;
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "RCNN_INSTRUCTIONS=" + name + ": '" + name +
                                  "' is not one of portable, avx2, avx512, avx512_bf16");
    }
  }
}

}  // namespace
}  // namespace rcnn
