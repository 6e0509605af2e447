// The flag --instructions of every program with tensors.

#ifndef RCNN_BASE_INSTRUCTIONS_FLAG_H_
#define RCNN_BASE_INSTRUCTIONS_FLAG_H_

#include <gflags/gflags_declare.h>

DECLARE_string(instructions);

namespace rcnn {

// Sets the level that --instructions names (instruction_level.h), if any. Prints an error and
// exits 2, as InitProgram does for a wrong flag, unless it is a level that this processor
// supports.
void ApplyInstructionsFlag();

}  // namespace rcnn

#endif  // RCNN_BASE_INSTRUCTIONS_FLAG_H_
