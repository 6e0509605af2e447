#include "rcnn/base/instruction_set.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

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

InstructionLevel FromEnvironment() {
  const InstructionLevel best = SupportedInstructionLevel();
  const char* name = std::getenv("RCNN_INSTRUCTIONS");
  for (size_t i = 0; name != nullptr && i < kInstructionLevelNames.size(); ++i) {
    if (std::strcmp(name, kInstructionLevelNames[i]) == 0) {
      return std::min(best, static_cast<InstructionLevel>(i));
    }
  }
  return best;
}

InstructionLevel& Level() {
  static InstructionLevel level = FromEnvironment();
  return level;
}

}  // namespace

InstructionLevel SupportedInstructionLevel() {
  static const InstructionLevel level = Detect();
  return level;
}

InstructionLevel CurrentInstructionLevel() { return Level(); }

void StoreInstructionLevel(InstructionLevel level) { Level() = level; }

}  // namespace rcnn
