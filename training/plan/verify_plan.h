// Checks what planning has left in a run directory: the plan (stored_plan.h) and the lists of the
// split (data/sources/split_lists.h). For `stage_scheduler --verify`.
//
// The next run of the folder stops at a damaged list or basis, because it would make another split,
// or replace a plan that may have been edited. An edited plan is used, and is not damage.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(RunVerification run, VerifyRun("runs/cells", {.also = {VerifyPlan}}));
//   std::cout << run.ToString();

#ifndef RCNN_TRAINING_PLAN_VERIFY_PLAN_H_
#define RCNN_TRAINING_PLAN_VERIFY_PLAN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/training/scheduler/verify_run.h"

namespace rcnn::training {

// A RunCheck: an element "plan" if the directory has a plan, or one of its two files, and "split"
// if it has lists, or a plan that uses some. Changes nothing. An error if a file cannot be read
// now.
absl::StatusOr<std::vector<VerifiedDirectory>> VerifyPlan(const std::string& run_directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_VERIFY_PLAN_H_
