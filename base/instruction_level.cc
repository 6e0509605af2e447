#include "rcnn/base/instruction_level.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rcnn {

absl::string_view InstructionLevelName(InstructionLevel level) {
  return kInstructionLevelNames[static_cast<size_t>(level)];
}

absl::StatusOr<InstructionLevel> ParseInstructionLevel(absl::string_view name) {
  for (size_t i = 0; i < kInstructionLevelNames.size(); ++i) {
    if (name == kInstructionLevelNames[i]) return static_cast<InstructionLevel>(i);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", name, "' is not one of ", absl::StrJoin(kInstructionLevelNames, ", ")));
}

absl::Status SetInstructionLevel(InstructionLevel level) {
  if (level > SupportedInstructionLevel()) {
    return absl::InvalidArgumentError(
        absl::StrCat("this processor has no ", InstructionLevelName(level), ", only ",
                     InstructionLevelName(SupportedInstructionLevel())));
  }
  StoreInstructionLevel(level);
  return absl::OkStatus();
}

}  // namespace rcnn
