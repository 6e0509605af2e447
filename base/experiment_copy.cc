#include "rcnn/base/experiment_copy.h"

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/crc32c.h"

namespace rcnn {

std::string ExperimentCopyText(absl::string_view text) {
  return absl::StrFormat("# second copy of ../experiment.textproto, CRC-32C of the rest: %08x\n%s",
                         Crc32c(text), text);
}

absl::StatusOr<std::string> ParseExperimentCopy(absl::string_view copy) {
  const size_t line = copy.find('\n');
  if (line == absl::string_view::npos) return absl::DataLossError("it has no line");
  std::string text(copy.substr(line + 1));
  if (ExperimentCopyText(text) == copy) return text;
  return absl::DataLossError("its checksum differs");
}

}  // namespace rcnn
