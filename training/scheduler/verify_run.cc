#include "rcnn/training/scheduler/verify_run.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/file_state.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/scheduler/published_results.h"
#include "rcnn/training/scheduler/recorded_experiment.h"
#include "rcnn/training/scheduler/run_lock.h"
#include "rcnn/training/scheduler/stage_files.h"
#include "rcnn/training/trainer/checkpoint.h"
#include "rcnn/training/trainer/metrics_log.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

// How often a directory is examined in which a scheduler works.
constexpr int kLooks = 3;
constexpr absl::Duration kPause = absl::Seconds(1);

struct RecordedFiles {
  // By file name, all digests that finished stages have recorded.
  std::map<std::string, std::vector<FileDigest>> digests;
  // By directory of a finished stage ("stages/7_final"), its files.
  std::map<std::string, std::set<std::string>> names;
};

// What has to happen to a finished stage's files, a sentence each.
std::vector<std::string> Damage(const StageFiles& files) {
  std::vector<std::string> damage = files.damaged_copies;
  for (const DamagedFile& file : files.damaged) {
    damage.push_back(absl::StrCat(
        file.what, file.good_copy.empty()
                       ? "; it has no intact copy, so the next run makes the stage again"
                       : absl::StrCat("; an intact copy is ", file.good_copy,
                                      ", from which the next run repairs it")));
  }
  // The versions that wrote no seal wrote no copies.
  if (!files.record.sealed) return damage;
  for (const std::string& path : files.missing_copies) {
    damage.push_back(absl::StrCat(path, " is missing; the next run makes it"));
  }
  return damage;
}

absl::Status VerifyFinished(const std::string& path, const std::string& run,
                            VerifiedDirectory& verified, RecordedFiles& recorded) {
  const absl::StatusOr<StageFiles> files = CheckStageFiles(path, {run});
  if (!files.ok() && !IsDamage(files.status())) return files.status();
  verified.state = "finished";
  if (!files.ok()) {
    verified.damage.push_back(
        absl::StrCat(files.status().message(), "; the next run makes the stage again"));
    return absl::OkStatus();
  }
  if (!files->record.sealed) verified.state = "finished, checksums not yet recorded";
  verified.files = static_cast<int64_t>(files->record.files.size());
  verified.damage = Damage(*files);
  for (const auto& [name, digest] : files->record.files) {
    recorded.digests[name].push_back(*digest);
    recorded.names[verified.name].insert(name);
  }
  return absl::OkStatus();
}

absl::Status VerifyUnfinished(const std::string& path, const std::string& key,
                              VerifiedDirectory& verified) {
  verified.state = "unfinished";
  RCNN_ASSIGN_OR_RETURN(const std::vector<int64_t> checkpoints, ListCheckpoints(path));
  if (checkpoints.empty()) return absl::OkStatus();
  verified.state = absl::StrCat("unfinished, ", checkpoints.size(),
                                checkpoints.size() == 1 ? " checkpoint" : " checkpoints");
  RCNN_ASSIGN_OR_RETURN(const CheckpointVerification found, CheckpointStore(path, key).Verify());
  verified.files = found.files;
  verified.damage.insert(verified.damage.end(), found.damage.begin(), found.damage.end());
  // Those of an older version, or of very many lines, have kept none.
  const auto covered = found.facts.find(kMetricsFact);
  if (covered == found.facts.end()) return absl::OkStatus();
  ++verified.files;
  RCNN_ASSIGN_OR_RETURN(const std::string problem, VerifyMetrics(path, covered->second));
  if (!problem.empty()) verified.damage.push_back(problem);
  return absl::OkStatus();
}

// A stage's directory without a key.
absl::Status VerifyWithoutKey(const std::string& path, const StageKey& key,
                              VerifiedDirectory& verified) {
  verified.state = "no key.txt";
  if (!key.problem.empty()) {
    verified.damage.push_back(absl::StrCat(key.problem, "; the next run makes the stage again"));
    return absl::OkStatus();
  }
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(path));
  for (const std::string& name : names) {
    // Left by a killed write.
    if (absl::StrContains(name, ".tmp-")) continue;
    verified.damage.push_back(
        absl::StrCat(path, " holds files (", name,
                     "), but neither key.txt nor an intact DONE; the next run stops there until "
                     "they are moved away"));
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<VerifiedDirectory> VerifyStage(const std::string& run, const std::string& name,
                                              RecordedFiles& recorded) {
  VerifiedDirectory verified;
  verified.name = absl::StrCat("stages/", name);
  const std::string path = absl::StrCat(run, "/", verified.name);
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(path));
  if (IsStageDirectory(name) && type != fs::file_type::directory) {
    verified.state = "not a folder";
    verified.damage.push_back(
        type == fs::file_type::symlink
            ? absl::StrCat(path, " is a link, which the next run refuses")
            : absl::StrCat(path,
                           " is not a folder; the next run renames it, and makes the stage "
                           "again"));
    return verified;
  }
  RCNN_ASSIGN_OR_RETURN(const StageKey key, ReadStageKey(path));
  if (!key.recorded.has_value()) {
    RCNN_RETURN_IF_ERROR(VerifyWithoutKey(path, key, verified));
    return verified;
  }
  RCNN_ASSIGN_OR_RETURN(const bool finished, IsStageFinished(path, {run}));
  if (finished) {
    RCNN_RETURN_IF_ERROR(VerifyFinished(path, run, verified, recorded));
    return verified;
  }
  if (!key.problem.empty()) {
    verified.damage.push_back(absl::StrCat(key.problem, "; the next run writes it again"));
  }
  RCNN_RETURN_IF_ERROR(VerifyUnfinished(path, key.recorded->key, verified));
  return verified;
}

absl::Status VerifyExperiment(const std::string& run, const RecordedExperiment& recorded,
                              VerifiedDirectory& verified) {
  const std::string copy = ExperimentCopyPath(run);
  if (!recorded.problem.empty()) {
    verified.damage.push_back(absl::StrCat(
        recorded.problem, recorded.is_sealed ? absl::StrCat("; an intact copy is ", copy,
                                                            "; the next run writes it again")
                                             : ", and no second copy is intact; the next run "
                                               "writes it again if the stages are those "
                                               "of the experiment that it is given"));
  }
  if (!recorded.copy_problem.empty()) {
    verified.damage.push_back(
        absl::StrCat(recorded.copy_problem, "; the next run writes it again"));
  }
  // Runs of earlier versions have no such folder.
  RCNN_ASSIGN_OR_RETURN(const bool has_folder, HasCopiesFolder(run));
  RCNN_ASSIGN_OR_RETURN(const bool has_copy, PathExists(copy));
  if (has_folder && !has_copy) {
    verified.damage.push_back(absl::StrCat(copy, " is missing; the next run writes it again"));
  }
  return absl::OkStatus();
}

// A file at the top that is there, or a folder or the like in its place.
absl::Status VerifyResult(const std::string& path, const std::vector<FileDigest>& recorded,
                          VerifiedDirectory& verified) {
  ++verified.files;
  const absl::StatusOr<FileDigest> digest = ComputeFileDigest(path);
  RCNN_ASSIGN_OR_RETURN(const bool is_broken_link, IsBrokenLink(path));
  if (is_broken_link) {
    verified.damage.push_back(
        absl::StrCat(path, " is a link that leads nowhere; the next run replaces it"));
    return absl::OkStatus();
  }
  if (!digest.ok() && !IsDamage(digest.status())) return digest.status();
  if (!digest.ok()) {
    verified.damage.push_back(
        absl::StrCat(digest.status().message(), "; the next run replaces it, or renames a folder"));
    return absl::OkStatus();
  }
  if (std::find(recorded.begin(), recorded.end(), *digest) == recorded.end()) {
    verified.damage.push_back(
        absl::StrCat(path,
                     " does not match any finished stage's result; the next run replaces it, "
                     "or renames it if no checksum was recorded"));
  }
  return absl::OkStatus();
}

// The files at the top must be copies of some stage's results, and those of the last evaluation,
// `published`, must all be there. Sets `has_any`.
absl::Status VerifyTop(const std::string& run, const std::string& published,
                       const RecordedFiles& recorded, VerifiedDirectory& verified, bool& has_any) {
  const auto stage = recorded.names.find(published);
  for (const char* file : kPublishedFiles) {
    const std::string path = absl::StrCat(run, "/", file);
    RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(path));
    has_any |= is_there;
    const auto found = recorded.digests.find(file);
    if (is_there) {
      RCNN_RETURN_IF_ERROR(VerifyResult(
          path, found == recorded.digests.end() ? std::vector<FileDigest>() : found->second,
          verified));
    } else if (stage != recorded.names.end() && stage->second.count(file) > 0) {
      verified.damage.push_back(
          absl::StrCat(path, " is missing; the next run copies it from ", published));
    }
  }
  return absl::OkStatus();
}

// Whether one of the directories is of the stage, with any number, kept aside or not.
bool HasDirectory(const std::vector<std::string>& names, const std::string& stage) {
  return std::any_of(names.begin(), names.end(), [&](absl::string_view name) {
    if (!IsStageDirectory(name)) return false;
    name.remove_prefix(name.find('_') + 1);
    return name == stage || absl::StartsWith(name, absl::StrCat(stage, "."));
  });
}

// Stages of the experiment that must have run, because a later one has begun, or because its
// results are there. Stages run in order.
std::vector<std::string> MissingStages(const configs::ExperimentConfig& config,
                                       const std::vector<std::string>& names, bool has_results) {
  std::vector<std::string> missing;
  bool later = false;
  for (int i = config.stages_size(); i-- > 0;) {
    const configs::StageConfig& stage = config.stages(i);
    later |= has_results && stage.has_evaluate();
    const bool is_there = HasDirectory(names, stage.name());
    if (later && !is_there) missing.push_back(absl::StrCat("stages/", i + 1, "_", stage.name()));
    later |= is_there;
  }
  std::reverse(missing.begin(), missing.end());
  return missing;
}

// The directory of the last evaluation; empty if there is none.
std::string PublishedStage(const configs::ExperimentConfig& config) {
  std::string published;
  for (int i = 0; i < config.stages_size(); ++i) {
    if (!config.stages(i).has_evaluate()) continue;
    published = absl::StrCat("stages/", i + 1, "_", config.stages(i).name());
  }
  return published;
}

absl::StatusOr<std::vector<VerifiedDirectory>> VerifyOthers(const std::string& path,
                                                            const VerifyOptions& options) {
  std::vector<VerifiedDirectory> others;
  for (const RunCheck& check : options.also) {
    RCNN_ASSIGN_OR_RETURN(const std::vector<VerifiedDirectory> found, check(path));
    others.insert(others.end(), found.begin(), found.end());
  }
  return others;
}

// Examines the directory once. `is_worked_in`: by a scheduler, which makes missing stages and
// results.
absl::StatusOr<RunVerification> Look(const std::string& path, const VerifyOptions& options,
                                     bool is_worked_in) {
  const std::string stages = absl::StrCat(path, "/stages");
  RCNN_ASSIGN_OR_RETURN(const bool has_stages, PathExists(stages));
  RCNN_ASSIGN_OR_RETURN(const RecordedExperiment experiment, ReadRecordedExperiment(path));
  RCNN_ASSIGN_OR_RETURN(const std::vector<VerifiedDirectory> others, VerifyOthers(path, options));
  const bool has_others = std::any_of(others.begin(), others.end(),
                                      [](const VerifiedDirectory& one) { return one.files > 0; });
  // Otherwise it has only been planned.
  const bool has_begun = has_stages || experiment.is_there;
  if (!has_begun && !has_others) {
    return absl::NotFoundError(absl::StrCat(
        path, " is not a run directory: missing folder: stages; name one with --run_dir"));
  }
  const configs::ExperimentConfig config = experiment.config.value_or(configs::ExperimentConfig());
  RunVerification run;
  RecordedFiles recorded;
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(stages));
  for (const std::string& name : names) {
    if (absl::EndsWith(name, ".removed") || absl::StrContains(name, ".before")) continue;
    RCNN_ASSIGN_OR_RETURN(VerifiedDirectory stage, VerifyStage(path, name, recorded));
    run.directories.push_back(std::move(stage));
  }
  run.directories.insert(run.directories.end(), others.begin(), others.end());
  VerifiedDirectory top;
  top.name = ".";
  top.state = "results";
  bool has_results = false;
  if (has_begun) RCNN_RETURN_IF_ERROR(VerifyExperiment(path, experiment, top));
  if (is_worked_in) {
    top.state = "results, left out while a scheduler works";
    run.directories.push_back(std::move(top));
    return run;
  }
  RCNN_RETURN_IF_ERROR(VerifyTop(path, PublishedStage(config), recorded, top, has_results));
  for (const std::string& missing : MissingStages(config, names, has_results)) {
    VerifiedDirectory stage;
    stage.name = missing;
    stage.state = "missing";
    stage.damage.push_back(
        absl::StrCat(path, "/", missing, " is missing; the next run makes the stage again"));
    run.directories.push_back(std::move(stage));
  }
  run.directories.push_back(std::move(top));
  return run;
}

// Who works in a run directory, and the state of its LOCK, which every scheduler writes when it
// begins.
struct Work {
  std::string scheduler;  // empty: nobody
  std::string lock;       // empty: there is none
};

absl::StatusOr<Work> ReadWork(const std::string& run) {
  Work work;
  RCNN_ASSIGN_OR_RETURN(work.scheduler, RunLock::Holder(run));
  const absl::StatusOr<FileState> lock = ReadFileState(absl::StrCat(run, "/", kLockFile));
  if (lock.ok()) work.lock = lock->ToString();
  return work;
}

// Leaves of the damage what the look before has seen too.
void KeepRepeatedDamage(const RunVerification& before, RunVerification& run) {
  std::set<std::string> seen;
  for (const VerifiedDirectory& one : before.directories) {
    seen.insert(one.damage.begin(), one.damage.end());
  }
  for (VerifiedDirectory& one : run.directories) {
    const auto is_new = [&](const std::string& damage) { return seen.count(damage) == 0; };
    one.damage.erase(std::remove_if(one.damage.begin(), one.damage.end(), is_new),
                     one.damage.end());
  }
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
                          one.state, Counted(one.files, "file"),
                          one.damage.empty() && one.notices.empty() ? "" : ":");
    for (const auto* sentences : {&one.damage, &one.notices}) {
      for (const std::string& sentence : *sentences) {
        absl::StrAppend(&text, "  ", Printable(sentence), "\n");
      }
    }
  }
  return text;
}

absl::StatusOr<RunVerification> VerifyRun(const std::string& path, const VerifyOptions& options) {
  RunVerification run;
  for (int look = 1;; ++look) {
    RCNN_ASSIGN_OR_RETURN(const Work before, ReadWork(path));
    RCNN_ASSIGN_OR_RETURN(RunVerification seen, Look(path, options, !before.scheduler.empty()));
    RCNN_ASSIGN_OR_RETURN(const Work after, ReadWork(path));
    const bool is_worked_in = !after.scheduler.empty();
    if (before.scheduler.empty() && !is_worked_in && before.lock == after.lock) return seen;
    seen.scheduler = is_worked_in ? after.scheduler : before.scheduler;
    if (look > 1) KeepRepeatedDamage(run, seen);
    // When the scheduler has ended, the next look leaves nothing out.
    if (look == kLooks || (is_worked_in && seen.Damaged() == 0)) return seen;
    run = std::move(seen);
    if (options.pause) {
      options.pause();
    } else {
      absl::SleepFor(kPause);
    }
  }
}

}  // namespace rcnn::training
