#include "rcnn/training/trainer/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/weights/weights_file.h"
#include "rcnn/training/trainer/digest_json.h"

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
constexpr int64_t kMaxManifestBytes = int64_t{1} << 24;

// The names of files in a directory; none if it cannot be listed.
std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

absl::optional<int64_t> ParseIteration(absl::string_view name) {
  int64_t iteration = 0;
  if (!absl::ConsumePrefix(&name, kPrefix) || !absl::SimpleAtoi(name, &iteration) ||
      iteration < 0 || absl::StrCat(iteration) != name) {
    return absl::nullopt;
  }
  return iteration;
}

absl::Status Remove(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot delete ", path, ": ", error.message()));
}

absl::Status Rename(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot rename ", from, " to ", to, ": ", error.message()));
}

// Removes the possible remains of a killed write: a partial checkpoint, and one
// that was about to be replaced.
absl::Status RemoveLeftovers(const std::string& directory) {
  for (const std::string& name : NamesIn(directory)) {
    if (!absl::StartsWith(name, kPrefix)) continue;
    if (!absl::EndsWith(name, kUnfinished) && !absl::EndsWith(name, kReplaced)) continue;
    RCNN_RETURN_IF_ERROR(Remove(absl::StrCat(directory, "/", name)));
  }
  return absl::OkStatus();
}

absl::Status Damaged(absl::string_view path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(path, " ", what));
}

absl::StatusOr<FileDigest> ComputeDigest(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  return Digest(file.bytes());
}

absl::StatusOr<FileDigest> SaveState(const StateDict& state, const std::string& path) {
  RCNN_RETURN_IF_ERROR(detection::weights::SaveStateDict(state, path));
  return ComputeDigest(path);
}

absl::Status LinkBest(const Checkpoint& checkpoint, const std::string& directory) {
  const std::string best = absl::StrCat(directory, "/", kBestWeightsFile);
  RCNN_RETURN_IF_ERROR(LinkOrCopy(checkpoint.best_weights, best));
  RCNN_ASSIGN_OR_RETURN(const FileDigest digest, ComputeDigest(best));
  if (digest == checkpoint.best_digest) return absl::OkStatus();
  return Damaged(checkpoint.best_weights, "is damaged: its size or checksum has changed");
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
  const std::string text = manifest.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return WriteFileAtomically(absl::StrCat(directory, "/", kManifestFile), text).status();
}

absl::StatusOr<Json> ReadManifest(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kManifestFile);
  RCNN_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, {.max_bytes = kMaxManifestBytes}));
  Json manifest = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool whole = manifest.is_object() && manifest.contains("format") &&
                     manifest.contains("iteration") && manifest["iteration"].is_number_integer() &&
                     manifest.contains("key") && manifest["key"].is_string() &&
                     manifest.contains("files") && manifest.contains("facts") &&
                     manifest["facts"].is_object();
  if (!whole) return Damaged(path, "is not a checkpoint manifest");
  if (manifest["format"] != kFormat) {
    return Damaged(path,
                   absl::StrCat("is of format ", manifest["format"].dump(), ", not ", kFormat));
  }
  return manifest;
}

// Opens the file and checks it against the manifest.
absl::StatusOr<MappedFile> OpenChecked(const Json& manifest, const std::string& directory,
                                       const std::string& name) {
  const std::string path = absl::StrCat(directory, "/", name);
  RCNN_ASSIGN_OR_RETURN(const FileDigest expected, DigestFromJson(manifest["files"], name),
                        directory);
  RCNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  if (Digest(file.bytes()) == expected) return file;
  return Damaged(path, "is damaged: its size or checksum differs from its manifest");
}

absl::StatusOr<StateDict> ReadState(const Json& manifest, const std::string& directory,
                                    const std::string& name) {
  RCNN_ASSIGN_OR_RETURN(MappedFile file, OpenChecked(manifest, directory, name));
  const auto owner = std::make_shared<MappedFile>(std::move(file));
  RCNN_ASSIGN_OR_RETURN(StateDict state, detection::weights::ReadStateDict(owner->bytes(), owner),
                        absl::StrCat(directory, "/", name));
  return state;
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
    RCNN_ASSIGN_OR_RETURN(const MappedFile best,
                          OpenChecked(manifest, directory, kBestWeightsFile));
    checkpoint.best_digest = Digest(best.bytes());
    checkpoint.best_weights = absl::StrCat(directory, "/", kBestWeightsFile);
  }
  return checkpoint;
}

}  // namespace

absl::Status LinkOrCopy(const std::string& from, const std::string& to) {
  std::error_code error;
  // Renaming one link of a file to another does nothing, and leaves both.
  if (fs::equivalent(from, to, error)) return absl::OkStatus();
  const std::string temporary = absl::StrCat(to, kUnfinished);
  RCNN_RETURN_IF_ERROR(Remove(temporary));
  fs::create_hard_link(from, temporary, error);
  if (!error) return Rename(temporary, to);
  RCNN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(from));
  return WriteFileAtomically(to, file.bytes()).status();
}

std::vector<int64_t> ListCheckpoints(const std::string& directory) {
  std::vector<int64_t> iterations;
  for (const std::string& name : NamesIn(directory)) {
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
  RCNN_RETURN_IF_ERROR(RemoveLeftovers(directory_));
  const std::string path = Path(checkpoint.iteration);
  const std::string unfinished = absl::StrCat(path, kUnfinished);
  RCNN_RETURN_IF_ERROR(CreateDirectories(unfinished));
  absl::Status written = WriteFiles(checkpoint, key_, unfinished);
  if (written.ok()) written = SyncDirectory(unfinished);
  if (!written.ok()) {
    // Frees the space again on a full disk.
    Remove(unfinished).IgnoreError();
    return Annotate(written, absl::StrCat("checkpoint ", checkpoint.iteration, " was not written"));
  }
  const std::string replaced = absl::StrCat(path, kReplaced);
  if (fs::exists(path)) RCNN_RETURN_IF_ERROR(Rename(path, replaced));
  RCNN_RETURN_IF_ERROR(Rename(unfinished, path));
  RCNN_RETURN_IF_ERROR(SyncDirectory(directory_));
  return Remove(replaced);
}

absl::StatusOr<absl::optional<Checkpoint>> CheckpointStore::ReadLatest(
    std::vector<std::string>* complaints) const {
  for (const int64_t iteration : ListCheckpoints(directory_)) {
    absl::StatusOr<Checkpoint> checkpoint = ReadCheckpoint(Path(iteration), iteration, key_);
    if (checkpoint.ok()) return absl::optional<Checkpoint>(*std::move(checkpoint));
    if (complaints == nullptr) continue;
    complaints->push_back(
        absl::StrCat("checkpoint ", iteration, " cannot be used: ", checkpoint.status().message()));
  }
  return absl::optional<Checkpoint>();
}

absl::Status CheckpointStore::Prune(int keep) {
  const std::vector<int64_t> iterations = ListCheckpoints(directory_);
  for (size_t i = static_cast<size_t>(std::max(keep, 1)); i < iterations.size(); ++i) {
    RCNN_RETURN_IF_ERROR(Remove(Path(iterations[i])));
  }
  return absl::OkStatus();
}

absl::Status CheckpointStore::Clear() {
  const std::string best = absl::StrCat(directory_, "/", kBestWeightsFile);
  RCNN_RETURN_IF_ERROR(Remove(best));
  RCNN_RETURN_IF_ERROR(Remove(absl::StrCat(best, kUnfinished)));
  RCNN_RETURN_IF_ERROR(RemoveLeftovers(directory_));
  for (const int64_t iteration : ListCheckpoints(directory_)) {
    RCNN_RETURN_IF_ERROR(Remove(Path(iteration)));
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
