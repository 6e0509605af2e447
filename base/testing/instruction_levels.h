// Runs tests at every level of instructions (base/instruction_level.h). The cases of levels that
// this processor lacks are skipped by name, so that a run says which levels it has not tested.
//
// Example:
//   class WinogradTest : public InstructionLevelTest {};
//   INSTANTIATE_TEST_SUITE_P(Levels, WinogradTest, LevelsFrom(InstructionLevel::kAvx2), LevelName);
//   TEST_P(WinogradTest, HasItsLevel) { EXPECT_EQ(CurrentInstructionLevel(), GetParam()); }

#ifndef RCNN_BASE_TESTING_INSTRUCTION_LEVELS_H_
#define RCNN_BASE_TESTING_INSTRUCTION_LEVELS_H_

#include <optional>
#include <string>
#include <tuple>
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

// Skips the running test, naming the level, if this processor lacks it. For SetUp() and the bodies
// of tests, since it returns.
#define RCNN_SKIP_WITHOUT(level)                                                      \
  do {                                                                                \
    const ::rcnn::InstructionLevel needed_level = (level);                            \
    if (needed_level > ::rcnn::SupportedInstructionLevel()) {                         \
      GTEST_SKIP() << "this processor has no " << InstructionLevelName(needed_level); \
    }                                                                                 \
  } while (false)

// Skips the running test, naming the level, if LibTorch may be unable to convolve in bfloat16 on
// the CPU (autocast_scope.h): at a level that was lowered below AVX-512 when the process was
// started. Programs do not even try below kAvx512Bf16. Not behind a ScopedInstructionLevel.
#define RCNN_SKIP_WITHOUT_CPU_AUTOCAST()                                                    \
  do {                                                                                      \
    constexpr auto kLeast = ::rcnn::InstructionLevel::kAvx512;                              \
    const ::rcnn::InstructionLevel level_in_force = ::rcnn::CurrentInstructionLevel();      \
    if (level_in_force < kLeast && ::rcnn::SupportedInstructionLevel() >= kLeast) {         \
      GTEST_SKIP() << "oneDNN has no bfloat16 at " << InstructionLevelName(level_in_force); \
    }                                                                                       \
  } while (false)

inline InstructionLevel FindLevel(InstructionLevel level) { return level; }
template <typename Case>
InstructionLevel FindLevel(const std::tuple<Case, InstructionLevel>& parameter) {
  return std::get<InstructionLevel>(parameter);
}

// A test that runs at the level in its parameter, and is skipped if this processor lacks it. A
// class derived from it that has a SetUp() of its own calls this one first, and asks IsSkipped().
template <typename Parameter>
class LevelParameterTest : public ::testing::TestWithParam<Parameter> {
 protected:
  LevelParameterTest() {
    const InstructionLevel level = FindLevel(this->GetParam());
    if (level <= SupportedInstructionLevel()) level_.emplace(level);
  }
  void SetUp() override { RCNN_SKIP_WITHOUT(FindLevel(this->GetParam())); }

 private:
  std::optional<ScopedInstructionLevel> level_;
};

// The level is the parameter: LevelsFrom(least).
using InstructionLevelTest = LevelParameterTest<InstructionLevel>;
// The level belongs to each of several cases: ::testing::Combine(cases, LevelsFrom(least)).
template <typename Case>
using InstructionLevelCaseTest = LevelParameterTest<std::tuple<Case, InstructionLevel>>;

// The levels from `least` on, as parameters.
inline auto LevelsFrom(InstructionLevel least) {
  std::vector<InstructionLevel> levels;
  for (const InstructionLevel level : {InstructionLevel::kPortable, InstructionLevel::kAvx2,
                                       InstructionLevel::kAvx512, InstructionLevel::kAvx512Bf16}) {
    if (level >= least) levels.push_back(level);
  }
  return ::testing::ValuesIn(levels);
}

// The name of a parameter.
inline std::string LevelName(const ::testing::TestParamInfo<InstructionLevel>& info) {
  return std::string(InstructionLevelName(info.param));
}

}  // namespace rcnn

#endif  // RCNN_BASE_TESTING_INSTRUCTION_LEVELS_H_
