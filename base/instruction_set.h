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
#include <optional>
#include <string>

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

// The variable of the environment that lowers the level.
inline constexpr char kInstructionsVariable[] = "RCNN_INSTRUCTIONS";

// The level of that name; nullopt if there is none.
std::optional<InstructionLevel> FindInstructionLevel(const std::string& name);

// "'sse9' is not one of portable, avx2, avx512, avx512_bf16".
std::string DescribeUnknownLevel(const std::string& name);

// The best level of this processor and operating system.
InstructionLevel SupportedInstructionLevel();

// SupportedInstructionLevel(), lowered to the level of that name. Null and "" lower nothing. Throws
// std::runtime_error, which names kInstructionsVariable and all levels, for an unknown name.
InstructionLevel LowerInstructionLevel(const char* name);

// The level that kernels use: the one that StoreInstructionLevel has set, or otherwise
// LowerInstructionLevel of the environment's RCNN_INSTRUCTIONS at the first call, whose error it
// throws. Programs check the variable when they start (instructions_flag.h).
InstructionLevel CurrentInstructionLevel();

// Whether kernels of `level` multiply bfloat16, and are faster than those of float32. Whatever may
// compute in bfloat16 on the CPU asks this, of the level in force rather than of the processor:
// at a lower level LibTorch may even throw (autocast_scope.h).
bool HasBfloat16Products(InstructionLevel level = CurrentInstructionLevel());

// Sets the level without checking that the processor supports it. Throws as
// CurrentInstructionLevel() does. Not thread-safe. Call SetInstructionLevel (instruction_level.h)
// instead, which checks the level.
void StoreInstructionLevel(InstructionLevel level);

}  // namespace rcnn

#endif  // RCNN_BASE_INSTRUCTION_SET_H_
