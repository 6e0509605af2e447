// The vector instructions that rcnn's own kernels use: the levels, and which one is in force.
//
// Functions that parse and check a level are in instruction_level.h, which needs Abseil; kernels in
// librcnn_ops.so must do without it.
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

// The level that kernels use: the one that StoreInstructionLevel has set, or otherwise
// SupportedInstructionLevel(), lowered to the environment's RCNN_INSTRUCTIONS if that was one of
// kInstructionLevelNames at the first call. Other values are ignored.
InstructionLevel CurrentInstructionLevel();

// Sets the level without checking that the processor supports it. Not thread-safe. Call
// SetInstructionLevel (instruction_level.h) instead, which checks it.
void StoreInstructionLevel(InstructionLevel level);

}  // namespace rcnn

#endif  // RCNN_BASE_INSTRUCTION_SET_H_
