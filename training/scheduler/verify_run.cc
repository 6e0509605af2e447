#include "rcnn/training/scheduler/verify_run.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/training/scheduler/published_results.h"
#include "rcnn/training/scheduler/stage_files.h"
#include "rcnn/training/trainer/checkpoint.h"

namespace rcnn::training {
namespace {

// By file name, all digests that finished stages have recorded.
using RecordedFiles = std::map<std::string, std::vector<FileDigest>>;

absl::Status VerifyFinished(const std::string& path, const std::string& run,
                            VerifiedDirectory& verified, RecordedFiles& recorded) {
  const absl::StatusOr<StageFiles> files = CheckStageFiles(path, {run});
  if (!files.ok() && !IsDamage(files.status())) return files.status();
  verified.state = "finished";
  if (!files.ok()) {
    verified.damage.emplace_back(files.status().message());
    return absl::OkStatus();
  }
  if (!files->record.sealed) verified.state = "finished, checksums not yet recorded";
  verified.files = static_cast<int64_t>(files->record.files.size());
  verified.damage = files->Notices();
  for (const auto& [name, digest] : files->record.files) recorded[name].push_back(*digest);
  return absl::OkStatus();
}

absl::Status VerifyUnfinished(const std::string& path, const std::string& key,
                              VerifiedDirectory& verified) {
  verified.state = "unfinished";
  RCNN_ASSIGN_OR_RETURN(const std::vector<int64_t> checkpoints, ListCheckpoints(path));
  if (checkpoints.empty()) return absl::OkStatus();
  verified.state = absl::StrCat("unfinished, ", checkpoints.size(),
                                checkpoints.size() == 1 ? " checkpoint" : " checkpoints");
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> damage,
                        CheckpointStore(path, key).Verify(&verified.files));
  verified.damage.insert(verified.damage.end(), damage.begin(), damage.end());
  return absl::OkStatus();
}

absl::StatusOr<VerifiedDirectory> VerifyStage(const std::string& run, const std::string& name,
                                              RecordedFiles& recorded) {
  VerifiedDirectory verified;
  verified.name = name;
  const std::string path = absl::StrCat(run, "/", name);
  RCNN_ASSIGN_OR_RETURN(const StageKey key, ReadStageKey(path));
  if (!key.recorded.has_value()) {
    verified.state = "no key.txt";
    if (!key.problem.empty()) verified.damage.push_back(key.problem);
    return verified;
  }
  RCNN_ASSIGN_OR_RETURN(const bool finished, IsStageFinished(path, {run}));
  if (finished) {
    RCNN_RETURN_IF_ERROR(VerifyFinished(path, run, verified, recorded));
    return verified;
  }
  if (!key.problem.empty()) verified.damage.push_back(key.problem);
  RCNN_RETURN_IF_ERROR(VerifyUnfinished(path, key.recorded->key, verified));
  return verified;
}

// The files at the top must be copies of some stage's results.
absl::StatusOr<VerifiedDirectory> VerifyTop(const std::string& run, const RecordedFiles& recorded) {
  VerifiedDirectory verified;
  verified.name = ".";
  verified.state = "results";
  for (const char* file : kPublishedFiles) {
    const std::string path = absl::StrCat(run, "/", file);
    const absl::StatusOr<FileDigest> digest = ComputeFileDigest(path);
    if (absl::IsNotFound(digest.status())) continue;
    if (!digest.ok() && !IsDamage(digest.status())) return digest.status();
    ++verified.files;
    if (!digest.ok()) {
      verified.damage.emplace_back(digest.status().message());
      continue;
    }
    bool known = false;
    const auto found = recorded.find(file);
    if (found != recorded.end()) {
      for (const FileDigest& one : found->second) known |= one == *digest;
    }
    if (!known) {
      verified.damage.push_back(absl::StrCat(path, " does not match any finished stage's result"));
    }
  }
  return verified;
}

}  // namespace

int64_t RunVerification::Damaged() const {
  int64_t damaged = 0;
  for (const VerifiedDirectory& directory : directories) {
    damaged += static_cast<int64_t>(directory.damage.size());
  }
  return damaged;
}

std::string RunVerification::ToString() const {
  NameWidth width(10);
  for (const VerifiedDirectory& one : directories) width.Add(Printable(one.name));
  std::string text;
  for (const VerifiedDirectory& one : directories) {
    absl::StrAppendFormat(&text, "%s  %s, %s compared%s\n", width.Pad(Printable(one.name)),
                          one.state, Counted(one.files, "file"), one.damage.empty() ? "" : ":");
    for (const std::string& damage : one.damage) {
      absl::StrAppend(&text, "  ", Printable(damage), "\n");
    }
  }
  return text;
}

absl::StatusOr<RunVerification> VerifyRun(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const bool is_run, PathExists(absl::StrCat(path, "/stages")));
  if (!is_run) {
    return absl::NotFoundError(absl::StrCat(
        path, " is not a run directory: missing folder: stages; name one with --run_dir"));
  }
  RunVerification run;
  RecordedFiles recorded;
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        ListNames(absl::StrCat(path, "/stages")));
  for (const std::string& name : names) {
    if (absl::EndsWith(name, ".removed")) continue;
    RCNN_ASSIGN_OR_RETURN(VerifiedDirectory stage,
                          VerifyStage(path, absl::StrCat("stages/", name), recorded));
    run.directories.push_back(std::move(stage));
  }
  RCNN_ASSIGN_OR_RETURN(VerifiedDirectory top, VerifyTop(path, recorded));
  run.directories.push_back(std::move(top));
  return run;
}

}  // namespace rcnn::training
