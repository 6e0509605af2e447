#include "rcnn/base/instructions_flag.h"

#include <gflags/gflags.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/base/instruction_level.h"

DEFINE_string(
    instructions, "",
    "Best vector instructions to use: portable, avx2, avx512 or avx512_bf16. Default: the "
    "processor's.");

namespace rcnn {
namespace {

absl::Status Apply(const std::string& name) {
  const absl::StatusOr<InstructionLevel> level = ParseInstructionLevel(name);
  return level.ok() ? SetInstructionLevel(*level) : level.status();
}

}  // namespace

void ApplyInstructionsFlag() {
  if (FLAGS_instructions.empty()) return;
  const absl::Status status = Apply(FLAGS_instructions);
  if (status.ok()) return;
  std::fprintf(stderr, "error: --instructions=%s: %s\n", FLAGS_instructions.c_str(),
               std::string(status.message()).c_str());
  std::exit(2);
}

}  // namespace rcnn
