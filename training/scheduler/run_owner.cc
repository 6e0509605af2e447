#include "rcnn/training/scheduler/run_owner.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/training/config/experiment.h"
#include "rcnn/training/scheduler/recorded_experiment.h"
#include "rcnn/training/scheduler/run_lock.h"
#include "rcnn/training/scheduler/stage_directories.h"
#include "rcnn/training/scheduler/stage_files.h"
#include "rcnn/training/scheduler/temporary_files.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

// plan.textproto and plan_basis.textproto, written before the run starts, as the split is.
constexpr absl::string_view kPlanPrefix = "plan";

// Whether a file may lie in a directory in which no run has started yet.
bool MayPrecedeRun(const std::string& name) {
  return name == kLockFile || name == kSplitFolder ||
         name == absl::StrCat(kSplitFolder, ".unfinished") || IsTemporary(name) ||
         absl::StartsWith(name, kPlanPrefix);
}

// Whether a stage in the directory has a key.
absl::StatusOr<bool> HasStages(const std::string& run) {
  const std::string stages = absl::StrCat(run, "/", kStagesFolder);
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(stages));
  for (const std::string& name : names) {
    if (!IsStageDirectory(name)) continue;
    RCNN_ASSIGN_OR_RETURN(const StageKey key, ReadStageKey(absl::StrCat(stages, "/", name)));
    if (key.recorded.has_value()) return true;
  }
  return false;
}

// Whether stages of the plan are there, and all that are have the plan's keys: then the run is of
// the plan's experiment, whatever is known of its name.
absl::StatusOr<bool> HasStagesOfPlan(const std::string& run,
                                     const std::vector<PlannedStage>& plan) {
  bool has_any = false;
  for (const PlannedStage& stage : plan) {
    RCNN_ASSIGN_OR_RETURN(const std::string found, LocateStage(run, stage));
    RCNN_ASSIGN_OR_RETURN(const StageKey key, ReadStageKey(found));
    if (!key.recorded.has_value()) continue;
    if (key.recorded->key != stage.key) return false;
    has_any = true;
  }
  return has_any;
}

// What is to be told if the recorded experiment is damaged and has an intact second copy, or the
// reverse.
std::vector<std::string> ExperimentNotices(const std::string& path,
                                           const RecordedExperiment& recorded,
                                           const configs::ExperimentConfig& config) {
  std::vector<std::string> notices;
  // A killed Open leaves the new text beside a second copy of the old one.
  const bool is_this = recorded.text == ExperimentText(config);
  if (!recorded.problem.empty() && !is_this) {
    notices.push_back(absl::StrCat(recorded.problem, "; an intact copy is ",
                                   ExperimentCopyPath(path), "; it is written again"));
  }
  if (!recorded.copy_problem.empty()) {
    notices.push_back(absl::StrCat(recorded.copy_problem,
                                   "; the file itself can be read; the copy is written again"));
  }
  return notices;
}

}  // namespace

absl::Status CheckStagesAreNoLinks(const std::string& run) {
  const std::string stages = absl::StrCat(run, "/", kStagesFolder);
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(stages));
  for (const std::string& name : names) {
    if (!IsStageDirectory(name)) continue;
    const std::string path = absl::StrCat(stages, "/", name);
    RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(path));
    if (type != fs::file_type::symlink) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     " is a link, and the scheduler writes and deletes files in the "
                     "directories of stages; put the directory itself there, or remove the "
                     "link, and the stage is made again"));
  }
  return absl::OkStatus();
}

absl::Status CheckUsableRunDirectory(const std::string& path) {
  std::error_code error;
  RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(path));
  if (!is_there) return absl::OkStatus();
  const bool is_directory = fs::is_directory(path, error);
  // A link that leads nowhere is not a directory either.
  if (error && error != std::errc::no_such_file_or_directory) {
    return ErrorNumberStatus(error.value(), "access", path);
  }
  if (!is_directory) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is not a directory; choose another --run_dir"));
  }
  RCNN_RETURN_IF_ERROR(CheckStagesAreNoLinks(path));
  RCNN_ASSIGN_OR_RETURN(const RecordedExperiment recorded, ReadRecordedExperiment(path));
  if (recorded.is_there) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const bool has_stages, HasStages(path));
  if (has_stages) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(path));
  for (const std::string& name : names) {
    if (MayPrecedeRun(name)) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(path, " holds files (", name, ") and is not a run directory: it has no ",
                     kExperimentFile, "; choose an empty or a new one with --run_dir"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> CheckRunOwner(const std::string& path,
                                                       const configs::ExperimentConfig& config,
                                                       const std::vector<PlannedStage>& plan) {
  RCNN_RETURN_IF_ERROR(CheckUsableRunDirectory(path));
  RCNN_ASSIGN_OR_RETURN(const RecordedExperiment recorded, ReadRecordedExperiment(path));
  const bool is_known = recorded.config.has_value();
  const std::string name = is_known ? recorded.config->name() : "";
  if (is_known && name == config.name()) return ExperimentNotices(path, recorded, config);
  if (!recorded.is_there) {
    RCNN_ASSIGN_OR_RETURN(const bool has_stages, HasStages(path));
    if (!has_stages) return std::vector<std::string>();
  }
  const std::string file = absl::StrCat(path, "/", kExperimentFile);
  // Only the second copy is certain of the name.
  bool is_of_plan = false;
  if (!recorded.is_sealed) {
    RCNN_ASSIGN_OR_RETURN(is_of_plan, HasStagesOfPlan(path, plan));
  }
  if (is_of_plan) {
    const std::string what =
        is_known ? absl::StrCat(file, " has the name \"", name, "\"") : recorded.problem;
    return std::vector<std::string>{absl::StrCat(
        what,
        " and no intact second copy; the stages are those of this experiment, so it is "
        "written again")};
  }
  if (is_known) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is the run directory of the experiment \"", name,
                     "\", but this one is \"", config.name(), "\"; choose another with --run_dir"));
  }
  return absl::DataLossError(absl::StrCat(
      recorded.problem, " and has no intact second copy, and the stages are not those of \"",
      config.name(),
      "\" as it is now, so the experiment of this run directory is unknown; give the "
      "experiment as it was when it last ran, or choose another directory with --run_dir"));
}

}  // namespace rcnn::training
