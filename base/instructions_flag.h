// The flag --instructions of every program with tensors.

#ifndef RCNN_BASE_INSTRUCTIONS_FLAG_H_
#define RCNN_BASE_INSTRUCTIONS_FLAG_H_

#include <gflags/gflags_declare.h>

DECLARE_string(instructions);

namespace rcnn {

// Sets the level that --instructions names (instruction_level.h), if any. Prints an error and exits
// 2 unless this processor supports that level, or if RCNN_INSTRUCTIONS is wrong
// (instructions_variable.h).
void ApplyInstructionsFlag();

}  // namespace rcnn

#endif  // RCNN_BASE_INSTRUCTIONS_FLAG_H_
