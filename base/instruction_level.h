// Names of the levels of vector instructions (instruction_set.h), and the flag that lowers the
// level.
//
// The best level of the processor, unless the user lowers it: --instructions=avx2, or
// RCNN_INSTRUCTIONS=avx2 in the environment; an unknown name is an error in both. Tests run every
// path on one machine so (testing/instruction_levels.h). Kernels with intrinsics ask for it, and so
// do the clones of loops that the compiler vectorises (target_clones.h). Every level gives the same
// bits unless a kernel says otherwise.
//
// Example:
//   const bool wide = CurrentInstructionLevel() >= InstructionLevel::kAvx512;

#ifndef RCNN_BASE_INSTRUCTION_LEVEL_H_
#define RCNN_BASE_INSTRUCTION_LEVEL_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/instruction_set.h"

namespace rcnn {

// "portable", "avx2", "avx512" or "avx512_bf16".
absl::string_view InstructionLevelName(InstructionLevel level);

// Reverses it. kInvalidArgument for another name, which lists the names.
absl::StatusOr<InstructionLevel> ParseInstructionLevel(absl::string_view name);

// Sets the level; call it before models are prepared, which choose their kernels then.
// kInvalidArgument if the processor does not support it. Not thread-safe.
absl::Status SetInstructionLevel(InstructionLevel level);

}  // namespace rcnn

#endif  // RCNN_BASE_INSTRUCTION_LEVEL_H_
