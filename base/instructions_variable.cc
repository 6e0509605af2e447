#include "rcnn/base/instructions_variable.h"

#include <cstdio>
#include <cstdlib>

#include "rcnn/base/instruction_set.h"

namespace rcnn {

void CheckInstructionsVariable() {
  const char* name = std::getenv(kInstructionsVariable);
  if (name == nullptr || *name == '\0' || FindInstructionLevel(name)) return;
  std::fprintf(stderr, "error: %s=%s: %s\n", kInstructionsVariable, name,
               DescribeUnknownLevel(name).c_str());
  std::exit(2);
}

}  // namespace rcnn
