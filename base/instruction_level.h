// The vector instructions that rcnn's own kernels use.
//
// The best level of the processor, unless the user lowers it: --instructions=avx2, or
// RCNN_INSTRUCTIONS=avx2 in the environment, which tests use to run every path on one machine.
// Only kernels with intrinsics ask for it; loops that the compiler vectorises have
// base/target_clones.h. Every level gives the same bits unless a kernel says otherwise.
//
// Example:
//   const bool wide = CurrentInstructionLevel() >= InstructionLevel::kAvx512;

#ifndef RCNN_BASE_INSTRUCTION_LEVEL_H_
#define RCNN_BASE_INSTRUCTION_LEVEL_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn {

// Each level includes the ones before it.
enum class InstructionLevel {
  kPortable,    // no intrinsics
  kAvx2,        // AVX2 and FMA
  kAvx512,      // AVX-512 F, BW, DQ and VL, and AVX2 and FMA
  kAvx512Bf16,  // AVX-512 BF16: products of bfloat16 pairs, summed in float32
};

// "portable", "avx2", "avx512" or "avx512_bf16".
absl::string_view InstructionLevelName(InstructionLevel level);

// Reverses it. kInvalidArgument for another name, which lists the names.
absl::StatusOr<InstructionLevel> ParseInstructionLevel(absl::string_view name);

// The best level of this processor and operating system.
InstructionLevel SupportedInstructionLevel();

// The level that kernels use. From the first call on it is SupportedInstructionLevel(), lowered to
// RCNN_INSTRUCTIONS if that is set to a known name; unless SetInstructionLevel has been called.
InstructionLevel CurrentInstructionLevel();

// Sets the level; call it before models are prepared, which choose their kernels then.
// kInvalidArgument if the processor does not support it. Not thread-safe.
absl::Status SetInstructionLevel(InstructionLevel level);

}  // namespace rcnn

#endif  // RCNN_BASE_INSTRUCTION_LEVEL_H_
