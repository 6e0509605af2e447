// The usage of runtime_info, which has only the flags of every program with tensors.

#include "rcnn/base/program.h"

namespace rcnn {

ProgramOptions DescribeProgram() {
  ProgramOptions program;
  program.usage = "Prints LibTorch's settings on this machine.\n\n  runtime_info [--threads=N]";
  return program;
}

}  // namespace rcnn
