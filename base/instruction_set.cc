#include "rcnn/base/instruction_set.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace rcnn {
namespace {

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

InstructionLevel& Level() {
  static InstructionLevel level = LowerInstructionLevel(std::getenv(kInstructionsVariable));
  return level;
}

}  // namespace

std::optional<InstructionLevel> FindInstructionLevel(const std::string& name) {
  for (size_t i = 0; i < kInstructionLevelNames.size(); ++i) {
    if (name == kInstructionLevelNames[i]) return static_cast<InstructionLevel>(i);
  }
  return std::nullopt;
}

std::string DescribeUnknownLevel(const std::string& name) {
  std::string text = "'" + name + "' is not one of ";
  for (size_t i = 0; i < kInstructionLevelNames.size(); ++i) {
    text += (i > 0 ? ", " : "") + std::string(kInstructionLevelNames[i]);
  }
  return text;
}

InstructionLevel SupportedInstructionLevel() {
  static const InstructionLevel level = Detect();
  return level;
}

InstructionLevel LowerInstructionLevel(const char* name) {
  const InstructionLevel best = SupportedInstructionLevel();
  if (name == nullptr || *name == '\0') return best;
  const std::optional<InstructionLevel> level = FindInstructionLevel(name);
  if (level) return std::min(best, *level);
  throw std::runtime_error(std::string(kInstructionsVariable) + "=" + name + ": " +
                           DescribeUnknownLevel(name));
}

InstructionLevel CurrentInstructionLevel() { return Level(); }

bool HasBfloat16Products(InstructionLevel level) { return level >= InstructionLevel::kAvx512Bf16; }

void StoreInstructionLevel(InstructionLevel level) { Level() = level; }

}  // namespace rcnn
