// The vector instructions that rcnn's own kernels use: the levels, and which one is in force.
//
// Names, parsing and errors are in instruction_level.h, apart from here so that kernels in
// librcnn_ops.so need no Abseil.
//
// Example:
//   const bool wide = CurrentInstructionLevel() >= InstructionLevel::kAvx512;

#ifndef RCNN_BASE_INSTRUCTION_SET_H_
#define RCNN_BASE_INSTRUCTION_SET_H_

#include <array>

namespace rcnn {

// Each level includes the ones before it.
enum class InstructionLevel {
  kPortable,    // no intrinsics
  kAvx2,        // AVX2 and FMA
  kAvx512,      // AVX-512 F, BW, DQ and VL, and AVX2 and FMA
  kAvx512Bf16,  // AVX-512 BF16: products of bfloat16 pairs, summed in float32
};

// In order of the levels.
inline constexpr std::array<const char*, 4> kInstructionLevelNames = {"portable", "avx2", "avx512",
                                                                      "avx512_bf16"};

// The best level of this processor and operating system.
InstructionLevel SupportedInstructionLevel();

// The level that kernels use. From the first call on it is SupportedInstructionLevel(), lowered to
// RCNN_INSTRUCTIONS if that is set to a known name; unless StoreInstructionLevel has been called.
InstructionLevel CurrentInstructionLevel();

// Sets the level, which the processor must support. Not thread-safe. For SetInstructionLevel
// (instruction_level.h), which checks it.
void StoreInstructionLevel(InstructionLevel level);

}  // namespace rcnn

#endif  // RCNN_BASE_INSTRUCTION_SET_H_
