#include "rcnn/base/instructions_flag.h"

#include <gflags/gflags.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/base/instruction_level.h"
#include "rcnn/base/instructions_variable.h"

DEFINE_string(
    instructions, "",
    "Best vector instructions to use, also by LibTorch and its libraries: portable, avx2, avx512 "
    "or avx512_bf16. Default: the processor's.");

namespace rcnn {
namespace {

absl::Status Apply(const std::string& name) {
  const absl::StatusOr<InstructionLevel> level = ParseInstructionLevel(name);
  return level.ok() ? SetInstructionLevel(*level) : level.status();
}

void ExitOnError(const char* setting, const std::string& value, const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "error: %s=%s: %s\n", setting, value.c_str(),
               std::string(status.message()).c_str());
  std::exit(2);
}

}  // namespace

void ApplyInstructionsFlag() {
  CheckInstructionsVariable();
  if (FLAGS_instructions.empty()) return;
  ExitOnError("--instructions", FLAGS_instructions, Apply(FLAGS_instructions));
}

}  // namespace rcnn
