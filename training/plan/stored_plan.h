// The plan of a run directory, and what it was made from.
//
//   plan.textproto        the experiment; the reasons are its comments
//   plan_basis.textproto  what it was made from (plan_basis.proto), after a checksum; written last
//   plan.previous.textproto, plan.previous-2.textproto, …   earlier plans that may have been edited
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const auto stored, ReadStoredPlan("runs/cells"));
//   const bool is_current = stored && PlanChanges(stored->basis, basis).empty();

#ifndef RCNN_TRAINING_PLAN_STORED_PLAN_H_
#define RCNN_TRAINING_PLAN_STORED_PLAN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/plan/plan_basis.pb.h"

namespace rcnn::training {

struct StoredPlan {
  configs::ExperimentConfig config;
  PlanBasis basis;
  // Whether the basis says how plan.textproto was written; earlier versions have not recorded that.
  bool has_checksum = false;
  // plan.textproto is not as it was written: edited, or damaged but still a plan.
  bool edited = false;
};

// "<run directory>/plan.textproto".
std::string PlanPath(const std::string& run_directory);

// "<run directory>/plan_basis.textproto".
std::string PlanBasisPath(const std::string& run_directory);

// nullopt if one of the two files is missing. kDataLoss if the basis is damaged: a new plan would
// replace one that may have been edited. Other errors: those of LoadExperiment, which name the
// place in an edited file.
absl::StatusOr<std::optional<StoredPlan>> ReadStoredPlan(const std::string& run_directory);

// Creates the directory if missing. A plan that is there is first copied to
// plan.previous.textproto, unless its basis says that it is as it was written: it may have been
// edited, also if the basis is missing. An earlier plan that was kept is never replaced: then the
// name has a number. Returns the path of the copy; empty if there was nothing to keep. Of a link in
// the place of one of the files only the link is replaced; what else is not a file makes way
// (MakeWayForFile), and a file that is too large for a plan is renamed (FreePathBeside). Errors:
// those of base/file_io.h.
absl::StatusOr<std::string> WriteStoredPlan(const std::string& run_directory,
                                            const StoredPlan& plan);

// What would make another plan: "the budget: 30m, now 20m". The folder is not compared.
std::vector<std::string> PlanChanges(const PlanBasis& stored, const PlanBasis& now);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_STORED_PLAN_H_
