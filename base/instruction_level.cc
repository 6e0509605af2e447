#include "rcnn/base/instruction_level.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"

namespace rcnn {

absl::string_view InstructionLevelName(InstructionLevel level) {
  return kInstructionLevelNames[static_cast<size_t>(level)];
}

absl::StatusOr<InstructionLevel> ParseInstructionLevel(absl::string_view name) {
  const std::optional<InstructionLevel> level = FindInstructionLevel(std::string(name));
  if (level) return *level;
  return absl::InvalidArgumentError(DescribeUnknownLevel(std::string(name)));
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
