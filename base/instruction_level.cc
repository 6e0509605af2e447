#include "rcnn/base/instruction_level.h"

#include <array>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rcnn {
namespace {

constexpr std::array<absl::string_view, 4> kNames = {"portable", "avx2", "avx512", "avx512_bf16"};

// __builtin_cpu_supports also asks whether the operating system saves the registers.
InstructionLevel Detect() {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    return InstructionLevel::kPortable;
  }
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return InstructionLevel::kAvx2;
  }
  return __builtin_cpu_supports("avx512bf16") ? InstructionLevel::kAvx512Bf16
                                              : InstructionLevel::kAvx512;
#else
  return InstructionLevel::kPortable;
#endif
}

InstructionLevel FromEnvironment() {
  const char* name = std::getenv("RCNN_INSTRUCTIONS");
  const auto level = ParseInstructionLevel(name == nullptr ? "" : name);
  if (!level.ok() || *level > SupportedInstructionLevel()) return SupportedInstructionLevel();
  return *level;
}

InstructionLevel& Level() {
  static InstructionLevel level = FromEnvironment();
  return level;
}

}  // namespace

absl::string_view InstructionLevelName(InstructionLevel level) {
  return kNames[static_cast<size_t>(level)];
}

absl::StatusOr<InstructionLevel> ParseInstructionLevel(absl::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<InstructionLevel>(i);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", name, "' is not one of ", absl::StrJoin(kNames, ", ")));
}

InstructionLevel SupportedInstructionLevel() {
  static const InstructionLevel level = Detect();
  return level;
}

InstructionLevel CurrentInstructionLevel() { return Level(); }

absl::Status SetInstructionLevel(InstructionLevel level) {
  if (level > SupportedInstructionLevel()) {
    return absl::InvalidArgumentError(
        absl::StrCat("this processor has no ", InstructionLevelName(level), ", only ",
                     InstructionLevelName(SupportedInstructionLevel())));
  }
  Level() = level;
  return absl::OkStatus();
}

}  // namespace rcnn
