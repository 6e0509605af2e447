// A stage's directory as a state machine. Two files carry the state: key.txt, written before
// anything else, and DONE, written after everything else, each atomically. Both have a second
// copy, which counts if the first one is damaged, and a sealed DONE has the key too
// (stage_files.h).
//
//   state       key.txt    DONE    checkpoints   StageStatus
//   absent      -          -       -             not begun
//   begun       own key    -       perhaps       begun, checkpoint
//   done        own key    whole   -             done, also if DONE alone was lost
//   damaged     own key    damaged, or a file    begun, problem
//                          of it has changed
//   done        lost       sealed  -             done, needs_repair: DONE has the key
//   unreadable  damaged    none    perhaps       not begun, problem
//   foreign     none, but files                  not begun; Begin refuses it
//   stale       other key  either  perhaps       begun; recorded key differs
//
//   Begin    absent, stale, unreadable -> begun   the last two are first set aside (below)
//            begun, damaged -> begun              the same key: checkpoints stay, DONE goes
//            done -> begun                        only when the scheduler asks for it
//   Finish   begun -> done                        then checkpoints and results kept aside go
//   Arrange  any -> the same state, in the directory that the plan gives the stage
//
// Results of another key are set aside by a rename: a finished one to ".previous", once its damaged
// files are repaired from intact copies, an unfinished one with work in it to ".unfinished", at
// most one of each; a finished one that is damaged for good counts as unfinished if there is a
// ".previous" already. LocateStage (stage_directories.h) searches these too, so undoing an edit
// finds them by their key. A result that is being moved back is named ".back", one that is being
// deleted ".removed".
//
// Invariants:
//   - After a kill at any point, every result with a key that is to be kept is still under a name
//     that LocateStage searches: only renames change what a name refers to, and the directory is
//     synced after each.
//   - DONE lists all outputs with their size and checksum; without it and its second copy nothing
//     counts as finished.
//   - Only one process changes the directory: it holds LOCK by flock, which ends with the process.
//   - Outside stages/ only the program's own temporary files are deleted, and what is not a folder
//   in
//     the place of copies/.

#include "rcnn/training/scheduler/run_directory.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/training/config/experiment.h"
#include "rcnn/training/scheduler/recorded_experiment.h"
#include "rcnn/training/scheduler/stage_directories.h"
#include "rcnn/training/trainer/checkpoint.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

// The split of a folder of images, which is written before the run starts.
constexpr char kSplitFolder[] = "split";
// plan.textproto and plan_basis.textproto, written before the run starts as well.
constexpr absl::string_view kPlanPrefix = "plan";
constexpr absl::string_view kBeside = ".before";  // FreePathBeside
constexpr absl::string_view kCheckpointPrefix = "checkpoint-";

std::string Join(absl::string_view directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

// A file left by a killed WriteFileAtomically: "model.safetensors.tmp-4711-0".
bool IsTemporary(absl::string_view name) {
  const size_t mark = name.rfind(".tmp-");
  return mark != absl::string_view::npos &&
         name.find_first_not_of("0123456789-", mark + 5) == absl::string_view::npos;
}

// Whether a file may lie in a directory in which no run has started yet.
bool MayPrecedeRun(const std::string& name) {
  return name == kLockFile || name == kSplitFolder ||
         name == absl::StrCat(kSplitFolder, ".unfinished") || IsTemporary(name) ||
         absl::StartsWith(name, kPlanPrefix);
}

// A stage's directory is emptied and written, so it may not be a link, which may lead to anything
// of the user. The folder of all stages may be one.
absl::Status CheckStagesAreNoLinks(const std::string& run) {
  const std::string stages = Join(run, kStagesFolder);
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(stages));
  for (const std::string& name : names) {
    if (!IsStageDirectory(name)) continue;
    const std::string path = Join(stages, name);
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

// Whether a stage in the directory has a key.
absl::StatusOr<bool> HasStages(const std::string& run) {
  const std::string stages = Join(run, kStagesFolder);
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(stages));
  for (const std::string& name : names) {
    if (!IsStageDirectory(name)) continue;
    RCNN_ASSIGN_OR_RETURN(const StageKey key, ReadStageKey(Join(stages, name)));
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

// Checks that the directory belongs to this experiment or may be claimed. Returns what is to be
// told about damage.
absl::StatusOr<std::vector<std::string>> CheckOwner(const std::string& path,
                                                    const configs::ExperimentConfig& config,
                                                    const std::vector<PlannedStage>& plan) {
  RCNN_RETURN_IF_ERROR(RunDirectory::CheckUsable(path));
  RCNN_ASSIGN_OR_RETURN(const RecordedExperiment recorded, ReadRecordedExperiment(path));
  const bool is_known = recorded.config.has_value();
  const std::string name = is_known ? recorded.config->name() : "";
  if (is_known && name == config.name()) return ExperimentNotices(path, recorded, config);
  if (!recorded.is_there) {
    RCNN_ASSIGN_OR_RETURN(const bool has_stages, HasStages(path));
    if (!has_stages) return std::vector<std::string>();
  }
  const std::string file = Join(path, kExperimentFile);
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

absl::Status RemoveTemporariesOfFolder(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory));
  for (const std::string& name : names) {
    if (IsTemporary(name)) RCNN_RETURN_IF_ERROR(RemovePath(Join(directory, name)));
  }
  return absl::OkStatus();
}

// In a directory and among its second copies, which a link does not lead to.
absl::Status RemoveTemporaries(const std::string& directory) {
  RCNN_RETURN_IF_ERROR(RemoveTemporariesOfFolder(directory));
  const std::string copies = Join(directory, kCopiesFolder);
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(copies));
  return type == fs::file_type::directory ? RemoveTemporariesOfFolder(copies) : absl::OkStatus();
}

// Before a stage resumes: its files may not be links, because logs are appended to, nor directories
// and the like, other than checkpoints and second copies.
absl::Status MakeWayForFiles(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory));
  for (const std::string& name : names) {
    if (name == kCopiesFolder || absl::StartsWith(name, kCheckpointPrefix)) continue;
    if (absl::StrContains(name, kBeside)) continue;  // made way before
    const std::string path = Join(directory, name);
    RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(path));
    const bool is_link = type == fs::file_type::symlink;
    RCNN_RETURN_IF_ERROR(is_link ? RemovePath(path) : MakeWayForFile(path));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> HasForeignFiles(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory));
  for (const std::string& name : names) {
    if (!IsTemporary(name)) return true;
  }
  return false;
}

// Whether the stage is finished and its files are intact or can be repaired.
absl::StatusOr<bool> IsDone(const std::string& run, const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const bool finished, IsStageFinished(directory, {run}));
  if (!finished) return false;
  const absl::StatusOr<StageFiles> files = CheckStageFiles(directory, {run});
  if (!files.ok() && !IsDamage(files.status())) return files.status();
  return files.ok() && files->IsWhole();
}

absl::Status ForeignFiles(const std::string& directory) {
  return absl::FailedPreconditionError(absl::StrCat(directory, " holds files, but no ", kKeyFile,
                                                    ", so no stage wrote them; move them away"));
}

}  // namespace

absl::Status RunDirectory::CheckUsable(const std::string& path) {
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

absl::StatusOr<RunDirectory> RunDirectory::Open(const std::string& path,
                                                const configs::ExperimentConfig& config,
                                                const std::vector<PlannedStage>& plan) {
  RCNN_RETURN_IF_ERROR(CheckOwner(path, config, plan).status());
  RCNN_RETURN_IF_ERROR(CreateDirectories(path), "--run_dir");
  RCNN_ASSIGN_OR_RETURN(RunLock lock, RunLock::Take(path));
  RunDirectory run(path, std::move(lock));
  // Between the check and the lock another process may have claimed the directory.
  RCNN_ASSIGN_OR_RETURN(run.notices_, CheckOwner(path, config, plan));
  RCNN_RETURN_IF_ERROR(WriteRecordedExperiment(path, ExperimentText(config)));
  RCNN_RETURN_IF_ERROR(RemoveTemporaries(path));
  RCNN_RETURN_IF_ERROR(CreateDirectories(Join(path, kStagesFolder)));
  RCNN_RETURN_IF_ERROR(RemoveLeftovers(Join(path, kStagesFolder)));
  return run;
}

absl::StatusOr<RunDirectory> RunDirectory::OpenReadOnly(const std::string& path,
                                                        const configs::ExperimentConfig& config,
                                                        const std::vector<PlannedStage>& plan) {
  RunDirectory run(path, absl::nullopt);
  RCNN_ASSIGN_OR_RETURN(run.notices_, CheckOwner(path, config, plan));
  return run;
}

absl::StatusOr<std::string> RunDirectory::StagePath(const PlannedStage& stage) const {
  return LocateStage(path_, stage);
}

absl::Status RunDirectory::Arrange(const std::vector<PlannedStage>& plan) {
  for (const PlannedStage& stage : plan) {
    const std::string planned = Join(path_, stage.directory);
    RCNN_ASSIGN_OR_RETURN(const std::string found, LocateStage(path_, stage));
    RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(found));
    if (found != planned && is_there) RCNN_RETURN_IF_ERROR(RestoreStage(path_, found, planned));
    // Finish may have been killed before it had deleted everything. The remains are deleted only
    // if the result is intact.
    RCNN_ASSIGN_OR_RETURN(const bool has_key, HasStageKey(planned, stage.key));
    RCNN_ASSIGN_OR_RETURN(const bool is_untidy, NeedsTidying(planned));
    if (!has_key || !is_untidy) continue;
    RCNN_ASSIGN_OR_RETURN(const bool is_done, IsDone(path_, planned));
    if (is_done) RCNN_RETURN_IF_ERROR(TidyStage(planned, stage.key));
  }
  return absl::OkStatus();
}

absl::StatusOr<StageStatus> RunDirectory::ReadStatus(const PlannedStage& stage) const {
  StageStatus status;
  RCNN_ASSIGN_OR_RETURN(const std::string directory, LocateStage(path_, stage));
  RCNN_ASSIGN_OR_RETURN(StageKey key, ReadStageKey(directory));
  if (!key.recorded.has_value()) {
    status.problem = key.problem;
    return status;
  }
  status.begun = true;
  status.recorded = *std::move(key.recorded);
  RCNN_ASSIGN_OR_RETURN(const bool finished, IsStageFinished(directory, {path_}));
  if (finished && status.recorded.key == stage.key) {
    RCNN_RETURN_IF_ERROR(ReadFinished(directory, status));
  } else {
    status.done = finished;  // of another key: its files are of no use
  }
  RCNN_ASSIGN_OR_RETURN(const std::vector<int64_t> checkpoints, ListCheckpoints(directory));
  if (!status.done && !checkpoints.empty()) status.checkpoint = checkpoints.front();
  return status;
}

absl::Status RunDirectory::ReadFinished(const std::string& directory, StageStatus& status) const {
  const absl::StatusOr<StageFiles> files = CheckStageFiles(directory, {path_});
  if (!files.ok() && !IsDamage(files.status())) return files.status();
  if (!files.ok()) {
    status.problem = std::string(files.status().message());
    return absl::OkStatus();
  }
  status.done = files->IsWhole();
  status.problem = files->Problem();
  status.needs_repair = files->NeedsRepair();
  status.notices = files->Notices();
  return absl::OkStatus();
}

absl::Status RunDirectory::Repair(const PlannedStage& stage) {
  RCNN_RETURN_IF_ERROR(CheckLock());
  RCNN_ASSIGN_OR_RETURN(const std::string directory, LocateStage(path_, stage));
  RCNN_ASSIGN_OR_RETURN(const StageFiles files, CheckStageFiles(directory, {path_}));
  if (!files.IsWhole()) return absl::DataLossError(files.Problem());
  RCNN_RETURN_IF_ERROR(RemoveTemporaries(directory));
  if (!files.NeedsRepair()) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const bool has_key, HasStageKey(directory, stage.key));
  return RepairStageFiles(directory, files, has_key ? KeyText(stage) : "");
}

absl::Status RunDirectory::Begin(const PlannedStage& stage) {
  RCNN_RETURN_IF_ERROR(CheckLock());
  RCNN_RETURN_IF_ERROR(CheckStagesAreNoLinks(path_));
  const std::string directory = Join(path_, stage.directory);
  RCNN_RETURN_IF_ERROR(Arrange({stage}));
  RCNN_ASSIGN_OR_RETURN(const StageKey found, ReadStageKey(directory));
  RCNN_ASSIGN_OR_RETURN(const bool has_key_file, PathExists(Join(directory, kKeyFile)));
  if (!found.recorded.has_value() && !has_key_file) {
    RCNN_ASSIGN_OR_RETURN(const bool has_foreign_files, HasForeignFiles(directory));
    if (has_foreign_files) return ForeignFiles(directory);
  }
  if (found.recorded.has_value() && found.recorded->key == stage.key) {
    // First, because DONE may be the only one that has the key.
    RCNN_RETURN_IF_ERROR(WriteKeyFile(directory, KeyText(stage)));
    RCNN_RETURN_IF_ERROR(RemoveStageRecord(directory));
    RCNN_RETURN_IF_ERROR(RemoveTemporaries(directory));
    return MakeWayForFiles(directory);
  }
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(directory));
  const bool is_other = type != fs::file_type::directory && type != fs::file_type::not_found;
  if (found.recorded.has_value() || has_key_file || is_other) {
    RCNN_RETURN_IF_ERROR(SetStageAside(path_, directory));
  }
  RCNN_RETURN_IF_ERROR(CreateDirectories(directory));
  RCNN_RETURN_IF_ERROR(RemoveTemporaries(directory));
  RCNN_RETURN_IF_ERROR(WriteKeyFile(directory, KeyText(stage)));
  return SyncDirectory(Join(path_, kStagesFolder));
}

absl::Status RunDirectory::Finish(const PlannedStage& stage,
                                  const std::vector<std::string>& outputs, int processes) {
  RCNN_RETURN_IF_ERROR(CheckLock());
  const std::string directory = Join(path_, stage.directory);
  RCNN_RETURN_IF_ERROR(RecordStageFiles(directory, stage.key, outputs, processes));
  RCNN_RETURN_IF_ERROR(RemoveUnfinishedResult(directory));
  return TidyStage(directory, stage.key);
}

absl::Status RunDirectory::CheckLock() {
  if (lock_.has_value()) return lock_->Check();
  return absl::FailedPreconditionError(absl::StrCat(path_, " is open for reading only"));
}

}  // namespace rcnn::training
