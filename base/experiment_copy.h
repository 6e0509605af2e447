// The second copy of the experiment of a run directory, which has a checksum.
//
//   R/experiment.textproto          the experiment
//   R/copies/experiment.textproto   the same, below a line with its checksum
//
// The scheduler writes both, and repairs one with the other (training/scheduler). Programs that use
// a run's experiment compare it with its second copy (recorded_result.h).
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::string experiment, ParseExperimentCopy(text));

#ifndef RCNN_BASE_EXPERIMENT_COPY_H_
#define RCNN_BASE_EXPERIMENT_COPY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn {

// The contents of the second copy of an experiment's text.
std::string ExperimentCopyText(absl::string_view text);

// The text that the second copy has, kDataLoss if it is not byte for byte from ExperimentCopyText.
absl::StatusOr<std::string> ParseExperimentCopy(absl::string_view copy);

}  // namespace rcnn

#endif  // RCNN_BASE_EXPERIMENT_COPY_H_
