// The results of a finished evaluation from a version that recorded no checksums: where its file
// and the copy at the top of the run directory differ, nothing tells which of them is damaged.
//
// If one of the two cannot be read as a file of its kind, the other one is used. Otherwise the
// stage's is, and the one at the top is kept under another name, because it may be the right one.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> notices,
//                         SettleUnrecordedResults(stage_path, run.path()));

#ifndef RCNN_TRAINING_SCHEDULER_UNRECORDED_RESULTS_H_
#define RCNN_TRAINING_SCHEDULER_UNRECORDED_RESULTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rcnn::training {

// Call it before the checksums of the stage are recorded (RepairStageFiles). Of each of
// kPublishedFiles without a recorded checksum that differs from the copy at the top, a copy at the
// top that is not used is renamed to FreePathBeside, and a stage's file that cannot be read is
// replaced by the copy. Returns a sentence for each. Does nothing for other stages. Errors: a file
// is temporarily unreadable, or those of base/file_io.h.
absl::StatusOr<std::vector<std::string>> SettleUnrecordedResults(const std::string& stage_directory,
                                                                 const std::string& run_directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_UNRECORDED_RESULTS_H_
