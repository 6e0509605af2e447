// Runs tests at every level of instructions (base/instruction_level.h) of this processor.
//
// Example:
//   class WinogradTest : public InstructionLevelTest {};
//   INSTANTIATE_TEST_SUITE_P(Levels, WinogradTest, LevelsFrom(InstructionLevel::kAvx2), LevelName);
//   TEST_P(WinogradTest, HasItsLevel) { EXPECT_EQ(CurrentInstructionLevel(), GetParam()); }

#ifndef RCNN_BASE_TESTING_INSTRUCTION_LEVELS_H_
#define RCNN_BASE_TESTING_INSTRUCTION_LEVELS_H_

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/instruction_level.h"

namespace rcnn {

// Sets the level, which the processor must support, until it goes out of scope.
class ScopedInstructionLevel {
 public:
  explicit ScopedInstructionLevel(InstructionLevel level) : before_(CurrentInstructionLevel()) {
    EXPECT_TRUE(SetInstructionLevel(level).ok()) << InstructionLevelName(level);
  }
  ~ScopedInstructionLevel() { EXPECT_TRUE(SetInstructionLevel(before_).ok()); }
  ScopedInstructionLevel(const ScopedInstructionLevel&) = delete;
  ScopedInstructionLevel& operator=(const ScopedInstructionLevel&) = delete;

 private:
  InstructionLevel before_;
};

// A test that runs at the level of its parameter.
class InstructionLevelTest : public ::testing::TestWithParam<InstructionLevel> {
 private:
  ScopedInstructionLevel level_{GetParam()};
};

// The levels of this processor from `least` on. May be empty.
inline std::vector<InstructionLevel> SupportedLevelsFrom(InstructionLevel least) {
  std::vector<InstructionLevel> levels;
  for (const InstructionLevel level : {InstructionLevel::kPortable, InstructionLevel::kAvx2,
                                       InstructionLevel::kAvx512, InstructionLevel::kAvx512Bf16}) {
    if (level >= least && level <= SupportedInstructionLevel()) levels.push_back(level);
  }
  return levels;
}

// The same as parameters.
inline auto LevelsFrom(InstructionLevel least) {
  return ::testing::ValuesIn(SupportedLevelsFrom(least));
}

// The name of a parameter.
inline std::string LevelName(const ::testing::TestParamInfo<InstructionLevel>& info) {
  return std::string(InstructionLevelName(info.param));
}

}  // namespace rcnn

#endif  // RCNN_BASE_TESTING_INSTRUCTION_LEVELS_H_
