// How the checkpoint of iteration n is written. A reader looks only at names "checkpoint-<n>".
//
//   step                                         after a kill here, ReadLatest finds
//   1 delete remains: *.tmp, *.old               the newest complete one
//   2 fill checkpoint-n.tmp/: the weights, the   the newest complete one
//     solver's state, a link to the best
//     weights, the manifest last; each synced
//   3 rename checkpoint-n to .old, if n is       the newest earlier one: n itself is lost and is
//     written again                              computed again
//   4 rename checkpoint-n.tmp to checkpoint-n    n
//   5 delete checkpoint-n.old                    n
//
// n is written again after an interrupted validation (trainer.cc), or in place of a damaged one.
//
// Invariants:
//   - A directory checkpoint-<n> was complete when it got its name, and loses that name before a
//     file of it is deleted. Its manifest holds the size and checksum of each file and seals
//     itself, so later damage is noticed too.
//   - A checkpoint of another key is never used.
//   - The best weights are linked, not copied: they are replaced by a rename and never written in
//     place, so each checkpoint keeps those of its time at no cost.

#include "rcnn/training/trainer/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rcnn/base/digest_json.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/sealed_json.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/detection/weights/weights_file.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using detection::weights::StateDict;
using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr absl::string_view kPrefix = "checkpoint-";
constexpr absl::string_view kUnfinished = ".tmp";
constexpr absl::string_view kReplaced = ".old";
constexpr char kModelFile[] = "model.safetensors";
constexpr char kSolverFile[] = "solver.safetensors";
constexpr char kManifestFile[] = "manifest.json";
// The facts hold all lines of metrics.jsonl so far: some 400 bytes for each line.
constexpr int64_t kMaxManifestBytes = int64_t{1} << 30;

absl::optional<int64_t> ParseIteration(absl::string_view name) {
  int64_t iteration = 0;
  if (!absl::ConsumePrefix(&name, kPrefix) || !absl::SimpleAtoi(name, &iteration) ||
      iteration < 0 || absl::StrCat(iteration) != name) {
    return absl::nullopt;
  }
  return iteration;
}

// Names of the possible remains of a killed write: a partial checkpoint, and one that was
// about to be replaced.
bool IsLeftover(absl::string_view name) {
  return absl::StartsWith(name, kPrefix) &&
         (absl::EndsWith(name, kUnfinished) || absl::EndsWith(name, kReplaced));
}

absl::Status RemoveLeftovers(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory));
  for (const std::string& name : names) {
    if (!IsLeftover(name)) continue;
    RCNN_RETURN_IF_ERROR(RemovePath(absl::StrCat(directory, "/", name)));
  }
  return absl::OkStatus();
}

// Not its parents: if they are missing, the run directory has just been moved.
absl::Status CreateFolder(const std::string& path) {
  std::error_code error;
  fs::create_directory(path, error);
  if (error) return ErrorNumberStatus(error.value(), "create directory", path);
  return SyncDirectory(fs::path(path).parent_path().string());
}

absl::Status Damaged(absl::string_view path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(path, " ", what));
}

absl::StatusOr<FileDigest> SaveState(const StateDict& state, const std::string& path) {
  RCNN_RETURN_IF_ERROR(detection::weights::SaveStateDict(state, path));
  return ComputeFileDigest(path);
}

absl::Status LinkBest(const Checkpoint& checkpoint, const std::string& directory) {
  const std::string best = absl::StrCat(directory, "/", kBestWeightsFile);
  RCNN_RETURN_IF_ERROR(LinkOrCopy(checkpoint.best_weights, best));
  return CheckStoredFile(best, checkpoint.best_digest);
}

// Writes the files into `directory`, which is empty.
absl::Status WriteFiles(const Checkpoint& checkpoint, const std::string& key,
                        const std::string& directory) {
  Json files;
  RCNN_ASSIGN_OR_RETURN(FileDigest digest,
                        SaveState(checkpoint.model, absl::StrCat(directory, "/", kModelFile)));
  files[kModelFile] = DigestToJson(digest);
  RCNN_ASSIGN_OR_RETURN(digest,
                        SaveState(checkpoint.solver, absl::StrCat(directory, "/", kSolverFile)));
  files[kSolverFile] = DigestToJson(digest);
  if (!checkpoint.best_weights.empty()) {
    RCNN_RETURN_IF_ERROR(LinkBest(checkpoint, directory));
    files[kBestWeightsFile] = DigestToJson(checkpoint.best_digest);
  }
  const Json manifest = {{"format", kFormat},
                         {"iteration", checkpoint.iteration},
                         {"key", key},
                         {"files", files},
                         {"facts", checkpoint.facts}};
  return WriteFileAtomically(absl::StrCat(directory, "/", kManifestFile), SealedText(manifest))
      .status();
}

absl::StatusOr<Json> ReadManifest(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kManifestFile);
  RCNN_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kMaxManifestBytes));
  RCNN_ASSIGN_OR_RETURN(const SealedJson read,
                        ParseSealed(text, {"format", "iteration", "key", "files", "facts"}), path);
  const Json& manifest = read.record;
  const bool whole = manifest.contains("format") && manifest.contains("iteration") &&
                     manifest["iteration"].is_number_integer() && manifest.contains("key") &&
                     manifest["key"].is_string() && manifest.contains("files") &&
                     manifest.contains("facts") && manifest["facts"].is_object();
  if (!whole) return Damaged(path, "is not a checkpoint manifest");
  if (manifest["format"] != kFormat) {
    return Damaged(path, absl::StrCat("has format ", manifest["format"].dump(), ", not ", kFormat));
  }
  return manifest;
}

// Checks the file against the manifest.
absl::StatusOr<FileDigest> CheckFile(const Json& manifest, const std::string& directory,
                                     const std::string& name) {
  const std::string path = absl::StrCat(directory, "/", name);
  RCNN_ASSIGN_OR_RETURN(const FileDigest expected, DigestFromJson(manifest["files"], name),
                        directory);
  RCNN_RETURN_IF_ERROR(CheckStoredFile(path, expected));
  return expected;
}

absl::StatusOr<StateDict> ReadState(const Json& manifest, const std::string& directory,
                                    const std::string& name) {
  RCNN_RETURN_IF_ERROR(CheckFile(manifest, directory, name).status());
  return detection::weights::LoadStateDict(absl::StrCat(directory, "/", name));
}

absl::StatusOr<Checkpoint> ReadCheckpoint(const std::string& directory, int64_t iteration,
                                          const std::string& key) {
  RCNN_ASSIGN_OR_RETURN(const Json manifest, ReadManifest(directory));
  if (manifest["iteration"] != iteration) {
    return Damaged(directory, absl::StrCat("holds iteration ", manifest["iteration"].dump()));
  }
  if (manifest["key"] != key) {
    return absl::FailedPreconditionError(
        absl::StrCat(directory, " was written with other settings: its key is ",
                     manifest["key"].get<std::string>(), ", not ", key));
  }
  Checkpoint checkpoint;
  checkpoint.iteration = iteration;
  for (const auto& [name, value] : manifest["facts"].items()) {
    if (!value.is_string())
      return Damaged(directory,
                     "has a manifest with a fact that is not "
                     "text");
    checkpoint.facts[name] = value.get<std::string>();
  }
  RCNN_ASSIGN_OR_RETURN(checkpoint.model, ReadState(manifest, directory, kModelFile));
  RCNN_ASSIGN_OR_RETURN(checkpoint.solver, ReadState(manifest, directory, kSolverFile));
  if (manifest["files"].contains(kBestWeightsFile)) {
    RCNN_ASSIGN_OR_RETURN(checkpoint.best_digest, CheckFile(manifest, directory, kBestWeightsFile));
    checkpoint.best_weights = absl::StrCat(directory, "/", kBestWeightsFile);
  }
  return checkpoint;
}

// It is damaged or belongs to another key (kFailedPrecondition). Other errors may be temporary.
bool IsUnusable(const absl::Status& status) {
  return IsDamage(status) || absl::IsFailedPrecondition(status);
}

// A checkpoint that a scheduler may delete or replace meanwhile: nullopt if it is gone. What seems
// to be damaged is read again, since it may have been replaced between two files.
absl::StatusOr<absl::optional<Checkpoint>> ReadIfThere(const std::string& path, int64_t iteration,
                                                       const std::string& key) {
  constexpr int kTries = 2;
  absl::Status error;
  for (int i = 0; i < kTries; ++i) {
    absl::StatusOr<Checkpoint> checkpoint = ReadCheckpoint(path, iteration, key);
    if (checkpoint.ok()) return absl::optional<Checkpoint>(*std::move(checkpoint));
    error = checkpoint.status();
    if (!IsUnusable(error)) return error;
    RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(path));
    if (!is_there) return absl::optional<Checkpoint>();
  }
  return error;
}

// Deletes a checkpoint.
absl::Status Discard(const std::string& path) { return RenameAndRemove(path, kReplaced); }

}  // namespace

absl::Status LinkOrCopy(const std::string& from, const std::string& to) {
  // Renaming one link of a file to another does nothing, and leaves both.
  RCNN_ASSIGN_OR_RETURN(const bool is_same, LeadToSameFile(from, to));
  if (is_same) return absl::OkStatus();
  std::error_code error;
  const std::string temporary = absl::StrCat(to, kUnfinished);
  RCNN_RETURN_IF_ERROR(RemovePath(temporary));
  fs::create_hard_link(from, temporary, error);
  if (!error) return RenamePath(temporary, to);
  RCNN_ASSIGN_OR_RETURN(const FileDigest digest, ComputeFileDigest(from));
  return CopyStoredFile(from, to, digest);
}

absl::StatusOr<std::vector<int64_t>> ListCheckpoints(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory));
  std::vector<int64_t> iterations;
  for (const std::string& name : names) {
    const absl::optional<int64_t> iteration = ParseIteration(name);
    if (iteration.has_value()) iterations.push_back(*iteration);
  }
  std::sort(iterations.begin(), iterations.end(), std::greater<>());
  return iterations;
}

std::string CheckpointStore::Path(int64_t iteration) const {
  return absl::StrCat(directory_, "/", kPrefix, iteration);
}

absl::Status CheckpointStore::Write(const Checkpoint& checkpoint) {
  RCNN_RETURN_IF_ERROR(MayWrite());
  RCNN_RETURN_IF_ERROR(RemoveLeftovers(directory_));
  const std::string path = Path(checkpoint.iteration);
  const std::string unfinished = absl::StrCat(path, kUnfinished);
  RCNN_RETURN_IF_ERROR(CreateFolder(unfinished));
  absl::Status written = WriteFiles(checkpoint, key_, unfinished);
  if (written.ok()) written = SyncDirectory(unfinished);
  // Writing took long. What is at these paths may be another scheduler's by now.
  RCNN_RETURN_IF_ERROR(MayWrite());
  if (!written.ok()) {
    // Frees the space again on a full disk.
    RemovePath(unfinished).IgnoreError();
    return Annotate(written, absl::StrCat("checkpoint ", checkpoint.iteration, " was not written"));
  }
  const std::string replaced = absl::StrCat(path, kReplaced);
  RCNN_ASSIGN_OR_RETURN(const bool is_taken, PathExists(path));
  if (is_taken) RCNN_RETURN_IF_ERROR(RenamePath(path, replaced));
  RCNN_RETURN_IF_ERROR(RenamePath(unfinished, path));
  return RemovePath(replaced);
}

absl::StatusOr<absl::optional<Checkpoint>> CheckpointStore::ReadLatest(
    std::vector<std::string>* problems) const {
  RCNN_ASSIGN_OR_RETURN(const std::vector<int64_t> iterations, ListCheckpoints(directory_));
  for (const int64_t iteration : iterations) {
    absl::StatusOr<Checkpoint> checkpoint = ReadCheckpoint(Path(iteration), iteration, key_);
    if (checkpoint.ok()) return absl::optional<Checkpoint>(*std::move(checkpoint));
    if (!IsUnusable(checkpoint.status())) {
      return Annotate(checkpoint.status(), absl::StrCat("checkpoint ", iteration));
    }
    if (problems == nullptr) continue;
    problems->push_back(
        absl::StrCat("checkpoint ", iteration, " cannot be used: ", checkpoint.status().message()));
  }
  return absl::optional<Checkpoint>();
}

absl::StatusOr<CheckpointVerification> CheckpointStore::Verify() const {
  constexpr int kListings = 10;  // more only if checkpoints are deleted faster than they are read
  CheckpointVerification found;
  int64_t newest = -1;
  std::set<int64_t> seen;
  bool is_any_gone = true;
  for (int i = 0; i < kListings && is_any_gone; ++i) {
    is_any_gone = false;
    RCNN_ASSIGN_OR_RETURN(const std::vector<int64_t> iterations, ListCheckpoints(directory_));
    for (const int64_t iteration : iterations) {
      if (!seen.insert(iteration).second) continue;
      auto checkpoint = ReadIfThere(Path(iteration), iteration, key_);
      if (!checkpoint.ok() && !IsUnusable(checkpoint.status())) return checkpoint.status();
      if (!checkpoint.ok()) {
        found.files += 2;
        found.damage.emplace_back(checkpoint.status().message());
      } else if (checkpoint->has_value()) {
        found.files += (*checkpoint)->best_weights.empty() ? 2 : 3;
        if (iteration > newest) found.facts = std::move((*checkpoint)->facts);
        newest = std::max(newest, iteration);
      } else {
        is_any_gone = true;
      }
    }
  }
  return found;
}

absl::Status CheckpointStore::Prune(int keep) {
  RCNN_RETURN_IF_ERROR(MayWrite());
  RCNN_ASSIGN_OR_RETURN(const std::vector<int64_t> iterations, ListCheckpoints(directory_));
  for (size_t i = static_cast<size_t>(std::max(keep, 1)); i < iterations.size(); ++i) {
    RCNN_RETURN_IF_ERROR(Discard(Path(iterations[i])));
  }
  return absl::OkStatus();
}

bool CheckpointStore::IsCheckpointFile(absl::string_view name) {
  return IsLeftover(name) || ParseIteration(name).has_value() || name == kBestWeightsFile ||
         name == absl::StrCat(kBestWeightsFile, kUnfinished);
}

absl::Status CheckpointStore::Clear() {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory_));
  for (const std::string& name : names) {
    if (!IsCheckpointFile(name)) continue;
    const std::string path = absl::StrCat(directory_, "/", name);
    RCNN_RETURN_IF_ERROR(ParseIteration(name).has_value() ? Discard(path) : RemovePath(path));
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
