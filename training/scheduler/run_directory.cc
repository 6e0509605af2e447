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
//     in the place of copies/.

#include "rcnn/training/scheduler/run_directory.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/training/config/experiment.h"
#include "rcnn/training/scheduler/recorded_experiment.h"
#include "rcnn/training/scheduler/run_owner.h"
#include "rcnn/training/scheduler/stage_directories.h"
#include "rcnn/training/scheduler/temporary_files.h"
#include "rcnn/training/trainer/checkpoint.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kBeside = ".before";  // FreePathBeside
constexpr absl::string_view kCheckpointPrefix = "checkpoint-";

std::string Join(absl::string_view directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
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

// Makes the name of a directory durable: a killed process may have made it and not synced its
// parent. A parent that this user may not open is left alone.
absl::Status SyncParent(const std::string& directory) {
  const absl::Status status = SyncDirectory(Join(directory, ".."));
  return absl::IsPermissionDenied(status) ? absl::OkStatus() : status;
}

absl::Status ForeignFiles(const std::string& directory) {
  return absl::FailedPreconditionError(absl::StrCat(directory, " holds files, but no ", kKeyFile,
                                                    ", so no stage wrote them; move them away"));
}

}  // namespace

absl::StatusOr<RunDirectory> RunDirectory::Open(const std::string& path,
                                                const configs::ExperimentConfig& config,
                                                const std::vector<PlannedStage>& plan) {
  RCNN_RETURN_IF_ERROR(CheckRunOwner(path, config, plan).status());
  RCNN_RETURN_IF_ERROR(CreateDirectories(path), "--run_dir");
  RCNN_RETURN_IF_ERROR(SyncParent(path));
  RCNN_ASSIGN_OR_RETURN(RunLock lock, RunLock::Take(path));
  RunDirectory run(path, std::move(lock));
  // Between the check and the lock another process may have claimed the directory.
  RCNN_ASSIGN_OR_RETURN(run.notices_, CheckRunOwner(path, config, plan));
  RCNN_RETURN_IF_ERROR(WriteRecordedExperiment(path, ExperimentText(config)));
  RCNN_RETURN_IF_ERROR(RemoveTemporaries(path));
  RCNN_RETURN_IF_ERROR(CreateDirectories(Join(path, kStagesFolder)));
  RCNN_RETURN_IF_ERROR(SyncDirectory(path));  // stages/ may be from a killed process too
  RCNN_RETURN_IF_ERROR(RemoveLeftovers(Join(path, kStagesFolder)));
  return run;
}

absl::StatusOr<RunDirectory> RunDirectory::OpenReadOnly(const std::string& path,
                                                        const configs::ExperimentConfig& config,
                                                        const std::vector<PlannedStage>& plan) {
  RunDirectory run(path, absl::nullopt);
  RCNN_ASSIGN_OR_RETURN(run.notices_, CheckRunOwner(path, config, plan));
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
