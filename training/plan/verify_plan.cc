#include "rcnn/training/plan/verify_plan.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/sources/split_lists.h"
#include "rcnn/training/plan/stored_plan.h"
#include "rcnn/training/scheduler/run_owner.h"

namespace rcnn::training {
namespace {

constexpr char kStops[] = "; the next run stops there";

// Whether the images of the dataset are those of a list in the directory.
bool UsesListIn(const std::string& directory, const configs::DatasetConfig& dataset) {
  const auto& parts = dataset.concat().parts();
  return absl::StartsWith(dataset.paths().image_list(), directory + "/") ||
         std::any_of(parts.begin(), parts.end(), [&](const configs::DatasetConfig& part) {
           return UsesListIn(directory, part);
         });
}

bool UsesListIn(const std::string& directory, const configs::ExperimentData& data) {
  return UsesListIn(directory, data.train()) || UsesListIn(directory, data.validation()) ||
         UsesListIn(directory, data.test());
}

// One of the two files of a plan is missing.
std::string MissingFile(const std::string& run, bool has_plan) {
  if (!has_plan) return absl::StrCat(PlanPath(run), " is missing; the next run makes a new plan");
  return absl::StrCat(PlanBasisPath(run),
                      " is missing; the next run makes a new plan, and keeps this one as "
                      "plan.previous.textproto unless they are the same");
}

// Sets `plan` if there is one that can be used.
absl::Status VerifyStoredPlan(const std::string& run, std::optional<StoredPlan>& plan,
                              std::vector<VerifiedDirectory>& found) {
  RCNN_ASSIGN_OR_RETURN(const bool has_plan, PathExists(PlanPath(run)));
  RCNN_ASSIGN_OR_RETURN(const bool has_basis, PathExists(PlanBasisPath(run)));
  if (!has_plan && !has_basis) return absl::OkStatus();
  VerifiedDirectory verified;
  verified.name = "plan";
  verified.state = "plan";
  absl::StatusOr<std::optional<StoredPlan>> stored = ReadStoredPlan(run);
  if (IsUnreadableNow(stored.status())) return stored.status();
  if (!stored.ok()) {
    verified.files = 1;
    verified.damage.push_back(absl::StrCat(stored.status().message(), kStops));
  } else if (!stored->has_value()) {
    verified.damage.push_back(MissingFile(run, has_plan));
  } else {
    plan = *std::move(stored);
    verified.files = plan->has_checksum ? 2 : 0;
    if (!plan->has_checksum) verified.state = "plan, without a checksum";
    if (plan->edited) {
      verified.notices.push_back(
          absl::StrCat(PlanPath(run),
                       " was edited since it was made, or is damaged and still a plan; the next "
                       "run uses it"));
    }
  }
  found.push_back(std::move(verified));
  return absl::OkStatus();
}

absl::Status VerifySplit(const std::string& run, const std::optional<StoredPlan>& plan,
                         std::vector<VerifiedDirectory>& found) {
  RCNN_ASSIGN_OR_RETURN(const data::SplitVerification lists,
                        data::SplitLists::Verify(absl::StrCat(run, "/", kSplitFolder)));
  VerifiedDirectory verified;
  verified.name = kSplitFolder;
  if (!lists.are_there) {
    if (!plan || !UsesListIn(lists.directory, plan->config.data())) return absl::OkStatus();
    verified.state = "missing";
    verified.damage.push_back(
        absl::StrCat(lists.directory, " has no lists; the next run makes the split again"));
    found.push_back(std::move(verified));
    return absl::OkStatus();
  }
  verified.files = lists.files;
  verified.state = lists.files > 0 || !lists.problems.empty()
                       ? "lists of the split"
                       : "lists of the split, without checksums";
  for (const std::string& problem : lists.problems) {
    verified.damage.push_back(absl::StrCat(problem, kStops));
  }
  if (plan && lists.folder && *lists.folder != plan->basis.folder()) {
    verified.damage.push_back(absl::StrCat(lists.directory, "/folder.txt has the line ",
                                           *lists.folder, " instead of ", plan->basis.folder(),
                                           ", of which the plan was made", kStops));
  }
  found.push_back(std::move(verified));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<VerifiedDirectory>> VerifyPlan(const std::string& run_directory) {
  std::vector<VerifiedDirectory> found;
  std::optional<StoredPlan> plan;
  RCNN_RETURN_IF_ERROR(VerifyStoredPlan(run_directory, plan, found));
  RCNN_RETURN_IF_ERROR(VerifySplit(run_directory, plan, found));
  return found;
}

}  // namespace rcnn::training
