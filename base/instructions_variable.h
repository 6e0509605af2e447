// The environment's RCNN_INSTRUCTIONS, which lowers the level of instructions of every program.

#ifndef RCNN_BASE_INSTRUCTIONS_VARIABLE_H_
#define RCNN_BASE_INSTRUCTIONS_VARIABLE_H_

namespace rcnn {

// Prints an error and exits 2, as InitProgram does for a wrong flag, if RCNN_INSTRUCTIONS is the
// name of no level (instruction_set.h). Missing or empty it is correct.
void CheckInstructionsVariable();

}  // namespace rcnn

#endif  // RCNN_BASE_INSTRUCTIONS_VARIABLE_H_
