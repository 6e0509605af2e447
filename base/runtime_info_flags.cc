// Of runtime_info, whose flags are those that every program with tensors has.

#include "rcnn/base/program.h"

namespace rcnn {

ProgramOptions DescribeProgram() {
  ProgramOptions program;
  program.usage = "Prints LibTorch's settings on this machine.\n\n  runtime_info [--threads=N]";
  return program;
}

}  // namespace rcnn
