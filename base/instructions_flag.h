// The flag --instructions of every program with tensors, and the variable RCNN_INSTRUCTIONS.

#ifndef RCNN_BASE_INSTRUCTIONS_FLAG_H_
#define RCNN_BASE_INSTRUCTIONS_FLAG_H_

#include <gflags/gflags_declare.h>

DECLARE_string(instructions);

namespace rcnn {

// Prints an error and exits 2, as InitProgram does for a wrong flag, if the environment's
// RCNN_INSTRUCTIONS is the name of no level (instruction_set.h). Missing or empty it is correct.
void CheckInstructionsVariable();

// Does the same, and sets the level that --instructions names (instruction_level.h), if any. Prints
// an error and exits 2 as well unless this processor supports that level.
void ApplyInstructionsFlag();

}  // namespace rcnn

#endif  // RCNN_BASE_INSTRUCTIONS_FLAG_H_
