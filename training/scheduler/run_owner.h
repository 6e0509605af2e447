// Whose run a directory is, and whether a run may start in it. Nothing here changes anything.
//
// RunDirectory::Open asks before it takes the lock, and again once it has it: meanwhile another
// process may have claimed the directory.
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckUsableRunDirectory("runs/cells"));

#ifndef RCNN_TRAINING_SCHEDULER_RUN_OWNER_H_
#define RCNN_TRAINING_SCHEDULER_RUN_OWNER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/scheduler/stage_plan.h"

namespace rcnn::training {

// The lists of the split of a folder of images, which are written before the run starts.
inline constexpr char kSplitFolder[] = "split";

// OK if the directory is missing, of a run, or has only what is written before a run starts: its
// split and its plan. kFailedPrecondition, saying what to do, if it has other files, is not a
// directory, or has a stage's directory that is a link; also the errors of base/stored_file.h.
absl::Status CheckUsableRunDirectory(const std::string& path);

// Checks that the directory is of this experiment or may be claimed for it. Returns a sentence for
// each damage of experiment.textproto and its second copy. The errors of CheckUsableRunDirectory;
// kFailedPrecondition if it is of another experiment, kDataLoss if nobody can tell of which.
//
// Whose run it is says the second copy of experiment.textproto. If that is missing or damaged, a
// directory with stages of `plan` in it, and with none of their names that has another key, is of
// this experiment, whatever experiment.textproto says.
absl::StatusOr<std::vector<std::string>> CheckRunOwner(const std::string& path,
                                                       const configs::ExperimentConfig& config,
                                                       const std::vector<PlannedStage>& plan);

// kFailedPrecondition if a stage's directory in the run directory `run` is a link. It is emptied
// and written, and a link may lead to anything of the user. The folder of all stages may be one.
absl::Status CheckStagesAreNoLinks(const std::string& run);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_RUN_OWNER_H_
