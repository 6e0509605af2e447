#include "rcnn/training/scheduler/stage_directories.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/training/scheduler/stage_files.h"
#include "rcnn/training/trainer/checkpoint.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

// Suffixes of results kept aside for another key: finished, and unfinished.
constexpr absl::string_view kPrevious = ".previous";
constexpr absl::string_view kUnfinished = ".unfinished";
// Temporary suffix while a kept result is restored.
constexpr absl::string_view kRestoring = ".back";
constexpr absl::string_view kRemoved = ".removed";
constexpr absl::string_view kPartial = ".partial";  // journals of proposals

std::string Join(absl::string_view directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

// Whether it is a directory of the stage, with any number: "3_rpn2" for "rpn2".
bool BelongsToStage(absl::string_view directory, const std::string& stage) {
  const size_t digits = directory.find_first_not_of("0123456789");
  return digits != absl::string_view::npos && digits > 0 &&
         directory.substr(digits) == absl::StrCat("_", stage);
}

// The directories that may have results of the stage, the planned one first.
absl::StatusOr<std::vector<std::string>> Candidates(const std::string& run,
                                                    const PlannedStage& stage) {
  const std::string planned = Join(run, stage.directory);
  std::vector<std::string> paths = {planned};
  const std::string stages = Join(run, kStagesFolder);
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(stages));
  for (const std::string& name : names) {
    const std::string path = Join(stages, name);
    if (path != planned && BelongsToStage(name, stage.name)) paths.push_back(path);
  }
  const size_t current = paths.size();
  for (size_t i = 0; i < current; ++i) {
    for (const absl::string_view suffix : {kPrevious, kUnfinished, kRestoring}) {
      paths.push_back(absl::StrCat(paths[i], suffix));
    }
  }
  return paths;
}

// Whether it has results that take time to recompute.
absl::StatusOr<bool> HoldsWork(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<int64_t> checkpoints, ListCheckpoints(directory));
  if (!checkpoints.empty()) return true;
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory));
  for (const std::string& name : names) {
    if (absl::EndsWith(name, kPartial)) return true;
  }
  return false;
}

absl::Status RemoveIfThere(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(path));
  return is_there ? RenameAndRemove(path, kRemoved) : absl::OkStatus();
}

// Replaces damaged files of a finished stage with intact copies, if each has one. Returns whether
// all its files are intact then.
absl::StatusOr<bool> MakeWhole(const std::string& run, const std::string& directory) {
  const absl::StatusOr<StageFiles> files = CheckStageFiles(directory, {run});
  if (!files.ok() && !IsDamage(files.status())) return files.status();
  if (!files.ok() || !files->IsWhole()) return false;
  if (!files->damaged.empty()) RCNN_RETURN_IF_ERROR(RepairStageFiles(directory, *files));
  return true;
}

}  // namespace

absl::StatusOr<bool> HasStageKey(const std::string& directory, const std::string& key) {
  RCNN_ASSIGN_OR_RETURN(const StageKey found, ReadStageKey(directory));
  return found.recorded.has_value() && found.recorded->key == key;
}

absl::StatusOr<std::string> LocateStage(const std::string& run, const PlannedStage& stage) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> candidates, Candidates(run, stage));
  std::string begun, present;
  for (const std::string& path : candidates) {
    RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(path));
    if (!is_there) continue;
    if (present.empty()) present = path;
    RCNN_ASSIGN_OR_RETURN(const bool has_key, HasStageKey(path, stage.key));
    if (!has_key) continue;
    if (begun.empty()) begun = path;
    RCNN_ASSIGN_OR_RETURN(const bool finished, IsStageFinished(path, {run}));
    if (finished) return path;
  }
  if (!begun.empty()) return begun;
  return present.empty() ? candidates.front() : present;
}

absl::Status SetStageAside(const std::string& run, const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(directory));
  if (type != fs::file_type::directory) {
    RCNN_ASSIGN_OR_RETURN(const std::string beside, FreePathBeside(directory));
    return RenamePath(directory, beside);
  }
  RCNN_ASSIGN_OR_RETURN(bool finished, IsStageFinished(directory, {run}));
  RCNN_ASSIGN_OR_RETURN(const bool holds_work, HoldsWork(directory));
  if (finished) {
    RCNN_ASSIGN_OR_RETURN(const bool whole, MakeWhole(run, directory));
    RCNN_ASSIGN_OR_RETURN(const bool has_previous, PathExists(absl::StrCat(directory, kPrevious)));
    // Finish may have been killed before it had deleted that one, which may be intact.
    finished = whole || !has_previous;
  }
  if (!finished && !holds_work) return RenameAndRemove(directory, kRemoved);
  const std::string aside = absl::StrCat(directory, finished ? kPrevious : kUnfinished);
  RCNN_RETURN_IF_ERROR(RemoveIfThere(aside));
  return RenamePath(directory, aside);
}

absl::Status RestoreStage(const std::string& run, const std::string& found,
                          const std::string& planned) {
  RCNN_ASSIGN_OR_RETURN(const bool is_taken, PathExists(planned));
  if (!is_taken) return RenamePath(found, planned);
  const std::string on_its_way = absl::StrCat(planned, kRestoring);
  if (found != on_its_way) RCNN_RETURN_IF_ERROR(RenamePath(found, on_its_way));
  RCNN_RETURN_IF_ERROR(SetStageAside(run, planned));
  return RenamePath(on_its_way, planned);
}

absl::Status TidyStage(const std::string& directory, const std::string& key) {
  RCNN_RETURN_IF_ERROR(CheckpointStore(directory, key).Clear());
  return RemoveIfThere(absl::StrCat(directory, kPrevious));
}

absl::StatusOr<bool> NeedsTidying(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const bool has_previous, PathExists(absl::StrCat(directory, kPrevious)));
  if (has_previous) return true;
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory));
  for (const std::string& name : names) {
    if (CheckpointStore::IsCheckpointFile(name)) return true;
  }
  return false;
}

absl::Status RemoveUnfinishedResult(const std::string& directory) {
  return RemoveIfThere(absl::StrCat(directory, kUnfinished));
}

absl::Status RemoveLeftovers(const std::string& stages) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(stages));
  for (const std::string& name : names) {
    if (absl::EndsWith(name, kRemoved)) RCNN_RETURN_IF_ERROR(RemovePath(Join(stages, name)));
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
