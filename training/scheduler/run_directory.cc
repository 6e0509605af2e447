// A stage's directory as a state machine. Two files carry the state: key.txt, written before
// anything else, and DONE, written after everything else, each atomically.
//
//   state       key.txt    DONE    checkpoints   StageStatus
//   absent      -          -       -             not begun
//   begun       own key    -       perhaps       begun, checkpoint
//   done        own key    whole   -             done
//   damaged     own key    damaged, or a file    begun, complaint
//                          of it has changed
//   foreign     none, but files                  Begin refuses it
//   stale       other key  either  perhaps       recorded key differs
//
//   Begin    absent, stale -> begun    a stale one is kept aside first (below)
//            begun, damaged -> begun   the same key: checkpoints stay, DONE goes
//            done -> begun             only when the scheduler asks for it
//   Finish   begun -> done             then checkpoints and ".previous" go
//   Arrange  any -> the same state at the place that the plan gives the stage
//
// Results of another key are kept aside by a rename: a finished one as ".previous", an unfinished
// one with work in it as ".unfinished", one of each. Locate looks there too: taking an edit back
// finds them by their key. What is on its way between two places is ".back", what is being deleted
// ".removed".
//
// Invariants:
//   - A kill at any point leaves every result that had a key, at one of the names that Locate
//   knows.
//     Only renames change what a name means, and the directory is synced after each.
//   - DONE lists all outputs with their size and checksum; without it nothing counts as finished.
//   - One process changes the directory: it holds LOCK by flock, which ends with the process.
//   - Nothing outside of stages/ is deleted here but the program's own temporary files.

#include "rcnn/training/scheduler/run_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/config/experiment.h"
#include "rcnn/training/trainer/append_file.h"
#include "rcnn/training/trainer/checkpoint.h"
#include "rcnn/training/trainer/digest_json.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr char kExperimentFile[] = "experiment.textproto";
constexpr char kLockFile[] = "LOCK";
constexpr char kStagesFolder[] = "stages";
constexpr char kKeyFile[] = "key.txt";
constexpr char kDoneFile[] = "DONE";
// Suffixes of results kept aside for another key: finished, and unfinished.
constexpr absl::string_view kPrevious = ".previous";
constexpr absl::string_view kUnfinished = ".unfinished";
// Temporary suffix while a kept result is restored.
constexpr absl::string_view kComingBack = ".back";
constexpr absl::string_view kRemoved = ".removed";
constexpr absl::string_view kPartial = ".partial";  // journals of proposals
constexpr int64_t kMaxRecordBytes = int64_t{1} << 24;
constexpr int kMaxDepth = 100;  // of nested messages

std::string Join(absl::string_view directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

absl::Status Rename(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (!error) return SyncDirectory(fs::path(to).parent_path().string());
  return absl::UnavailableError(
      absl::StrCat("cannot rename ", from, " to ", to, ": ", error.message()));
}

// Renames first, atomically, so that a kill leaves no partial directory.
absl::Status Remove(const std::string& path) {
  const std::string removed = absl::StrCat(path, kRemoved);
  std::error_code error;
  fs::remove_all(removed, error);
  if (!error) RCNN_RETURN_IF_ERROR(Rename(path, removed));
  if (!error) fs::remove_all(removed, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot delete ", path, ": ", error.message()));
}

// Whether it is a directory of the stage, with any number: "3_rpn2" for "rpn2".
bool BelongsToStage(absl::string_view directory, const std::string& stage) {
  const size_t digits = directory.find_first_not_of("0123456789");
  return digits != absl::string_view::npos && digits > 0 &&
         directory.substr(digits) == absl::StrCat("_", stage);
}

// The directories that may have results of the stage, the planned one first.
std::vector<std::string> Candidates(const std::string& run, const PlannedStage& stage) {
  const std::string planned = Join(run, stage.directory);
  std::vector<std::string> paths = {planned};
  const std::string stages = Join(run, kStagesFolder);
  for (const std::string& name : NamesIn(stages)) {
    const std::string path = Join(stages, name);
    if (path != planned && BelongsToStage(name, stage.name)) paths.push_back(path);
  }
  const size_t current = paths.size();
  for (size_t i = 0; i < current; ++i) {
    for (const absl::string_view suffix : {kPrevious, kUnfinished, kComingBack}) {
      paths.push_back(absl::StrCat(paths[i], suffix));
    }
  }
  return paths;
}

absl::StatusOr<RecordedKey> ReadKey(const std::string& directory) {
  const std::string path = Join(directory, kKeyFile);
  RCNN_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, {.max_bytes = kMaxRecordBytes}));
  RCNN_ASSIGN_OR_RETURN(RecordedKey key, ParseKeyText(text), path);
  return key;
}

bool HasKey(const std::string& directory, const std::string& key) {
  const absl::StatusOr<RecordedKey> recorded = ReadKey(directory);
  return recorded.ok() && recorded->key == key;
}

bool IsFinished(const std::string& directory) { return Exists(Join(directory, kDoneFile)); }

// Finds the stage: a finished result with its key, else an unfinished one with its key, else
// its own directory.
std::string Locate(const std::string& run, const PlannedStage& stage) {
  const std::vector<std::string> candidates = Candidates(run, stage);
  for (const std::string& path : candidates) {
    if (IsFinished(path) && HasKey(path, stage.key)) return path;
  }
  for (const std::string& path : candidates) {
    if (HasKey(path, stage.key)) return path;
  }
  for (const std::string& path : candidates) {
    if (Exists(path)) return path;
  }
  return candidates.front();
}

absl::StatusOr<Json> ReadDone(const std::string& directory) {
  const std::string path = Join(directory, kDoneFile);
  RCNN_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, {.max_bytes = kMaxRecordBytes}));
  Json done = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool whole = done.is_object() && done.contains("format") && done.contains("key") &&
                     done.contains("files") && done["files"].is_object();
  if (whole && done["format"] == kFormat) return done;
  return absl::DataLossError(absl::StrCat(path, " is damaged"));
}

// Checks that a file is unchanged since its stage finished.
absl::Status CheckOutput(const std::string& directory, const Json& files, const std::string& name,
                         bool verify_checksums) {
  RCNN_ASSIGN_OR_RETURN(const FileDigest expected, DigestFromJson(files, name),
                        Join(directory, kDoneFile));
  const std::string path = Join(directory, name);
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(path, error));
  if (error) return absl::DataLossError(absl::StrCat(path, " is missing"));
  if (size != expected.size) {
    return absl::DataLossError(
        absl::StrCat(path, " has ", size, " bytes, but had ", expected.size));
  }
  if (!verify_checksums) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  if (Digest(file.bytes()) == expected) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path, " has changed: its checksum differs"));
}

absl::Status CheckDone(const std::string& directory, const std::string& key,
                       bool verify_checksums) {
  RCNN_ASSIGN_OR_RETURN(const Json done, ReadDone(directory));
  if (done["key"] != key) {
    return absl::DataLossError(
        absl::StrCat(Join(directory, kDoneFile), " has another key than ", kKeyFile));
  }
  for (const auto& [name, unused] : done["files"].items()) {
    RCNN_RETURN_IF_ERROR(CheckOutput(directory, done["files"], name, verify_checksums));
  }
  return absl::OkStatus();
}

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

std::string LockText() {
  return absl::StrFormat(
      "process %d on %s since %s\n", getpid(), HostName(),
      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::Now(), absl::UTCTimeZone()));
}

// Takes the lock and writes the holder to the file.
absl::StatusOr<int> TakeLock(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return ErrnoStatus("open", path);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const bool held = errno == EWOULDBLOCK;
    const absl::Status error = ErrnoStatus("lock", path);
    close(descriptor);
    if (!held) return error;
    const absl::StatusOr<std::string> holder = ReadFile(path, {.max_bytes = kMaxRecordBytes});
    return absl::FailedPreconditionError(
        absl::StrCat("another scheduler is running in ", fs::path(path).parent_path().string(),
                     " (", holder.ok() ? holder->substr(0, holder->find('\n')) : "unknown",
                     "); wait for it, stop it, or choose another --run_dir"));
  }
  const std::string text = LockText();
  if (ftruncate(descriptor, 0) != 0 ||
      pwrite(descriptor, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    const absl::Status error = ErrnoStatus("write to", path);
    close(descriptor);
    return error;
  }
  return descriptor;
}

// A file left by a killed WriteFileAtomically: "model.safetensors.tmp-4711-0".
bool IsTemporary(absl::string_view name) {
  const size_t mark = name.rfind(".tmp-");
  return mark != absl::string_view::npos &&
         name.find_first_not_of("0123456789-", mark + 5) == absl::string_view::npos;
}

class NoErrors : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
};

// The name of the experiment written to `path`, by any version.
absl::StatusOr<std::string> RecordedName(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, {.max_bytes = kMaxRecordBytes}));
  NoErrors silent;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&silent);
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kMaxDepth);
  configs::ExperimentConfig config;
  if (parser.ParseFromString(text, &config) && config.has_name()) return config.name();
  return absl::DataLossError(absl::StrCat(
      path,
      " is damaged, so the experiment of this run directory is unknown; choose another with "
      "--run_dir, or delete that file"));
}

// Checks that the directory belongs to this experiment or may be claimed.
absl::Status CheckOwner(const std::string& path, const configs::ExperimentConfig& config) {
  std::error_code error;
  if (!Exists(path)) return absl::OkStatus();
  if (!fs::is_directory(path, error)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is not a directory; choose another --run_dir"));
  }
  const std::string record = Join(path, kExperimentFile);
  if (!Exists(record)) {
    for (const std::string& name : NamesIn(path)) {
      if (name == kLockFile || IsTemporary(name)) continue;
      return absl::FailedPreconditionError(
          absl::StrCat(path, " holds files (", name, ") and is not a run directory: it has no ",
                       kExperimentFile, "; choose an empty or a new one with --run_dir"));
    }
    return absl::OkStatus();
  }
  RCNN_ASSIGN_OR_RETURN(const std::string name, RecordedName(record));
  if (name == config.name()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      path, " is the run directory of the experiment \"", name, "\", but this one is \"",
      config.name(), "\"; choose another with --run_dir, or delete it"));
}

absl::Status RemoveTemporaries(const std::string& directory) {
  for (const std::string& name : NamesIn(directory)) {
    std::error_code error;
    if (IsTemporary(name)) fs::remove(Join(directory, name), error);
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("cannot delete ", Join(directory, name), ": ", error.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status RemoveLeftovers(const std::string& stages) {
  for (const std::string& name : NamesIn(stages)) {
    if (!absl::EndsWith(name, kRemoved)) continue;
    std::error_code error;
    fs::remove_all(Join(stages, name), error);
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("cannot delete ", Join(stages, name), ": ", error.message()));
    }
  }
  return absl::OkStatus();
}

// Whether it has results that take time to recompute.
bool HoldsWork(const std::string& directory) {
  if (!ListCheckpoints(directory).empty()) return true;
  return absl::c_any_of(NamesIn(directory),
                        [](const std::string& name) { return absl::EndsWith(name, kPartial); });
}

// Makes room for a run with another key.
absl::Status PutAside(const std::string& directory) {
  if (!IsFinished(directory) && !HoldsWork(directory)) return Remove(directory);
  const std::string aside =
      absl::StrCat(directory, IsFinished(directory) ? kPrevious : kUnfinished);
  if (Exists(aside)) RCNN_RETURN_IF_ERROR(Remove(aside));
  return Rename(directory, aside);
}

// Moves results found elsewhere to the stage's own directory.
absl::Status BringBack(const std::string& found, const std::string& planned) {
  if (!Exists(planned)) return Rename(found, planned);
  const std::string on_its_way = absl::StrCat(planned, kComingBack);
  if (found != on_its_way) RCNN_RETURN_IF_ERROR(Rename(found, on_its_way));
  RCNN_RETURN_IF_ERROR(PutAside(planned));
  return Rename(on_its_way, planned);
}

bool HasForeignFiles(const std::string& directory) {
  return !absl::c_all_of(NamesIn(directory), IsTemporary);
}

absl::Status RemoveIfThere(const std::string& path) {
  return Exists(path) ? Remove(path) : absl::OkStatus();
}

// Deletes files that are no longer needed once a stage is done.
absl::Status Tidy(const std::string& directory, const std::string& key) {
  RCNN_RETURN_IF_ERROR(CheckpointStore(directory, key).Clear());
  return RemoveIfThere(absl::StrCat(directory, kPrevious));
}

absl::Status ForeignFiles(const std::string& directory) {
  return absl::FailedPreconditionError(absl::StrCat(directory, " holds files, but no ", kKeyFile,
                                                    ": no stage wrote them; move them away"));
}

}  // namespace

absl::StatusOr<RunDirectory> RunDirectory::Open(const std::string& path,
                                                const configs::ExperimentConfig& config) {
  RCNN_RETURN_IF_ERROR(CheckOwner(path, config));
  RCNN_RETURN_IF_ERROR(CreateDirectories(path), "--run_dir");
  RCNN_ASSIGN_OR_RETURN(const int lock, TakeLock(Join(path, kLockFile)));
  RunDirectory run(path, lock);
  // Another process may have come first, between the check and the lock.
  RCNN_RETURN_IF_ERROR(CheckOwner(path, config));
  RCNN_RETURN_IF_ERROR(
      WriteFileAtomically(Join(path, kExperimentFile), ExperimentText(config)).status());
  RCNN_RETURN_IF_ERROR(RemoveTemporaries(path));
  RCNN_RETURN_IF_ERROR(CreateDirectories(Join(path, kStagesFolder)));
  RCNN_RETURN_IF_ERROR(RemoveLeftovers(Join(path, kStagesFolder)));
  return run;
}

absl::StatusOr<RunDirectory> RunDirectory::OpenReadOnly(const std::string& path,
                                                        const configs::ExperimentConfig& config) {
  RCNN_RETURN_IF_ERROR(CheckOwner(path, config));
  return RunDirectory(path, -1);
}

RunDirectory& RunDirectory::operator=(RunDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  return *this;
}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) close(lock_);
}

std::string RunDirectory::StagePath(const PlannedStage& stage) const {
  return Locate(path_, stage);
}

absl::Status RunDirectory::Arrange(const std::vector<PlannedStage>& plan) {
  for (const PlannedStage& stage : plan) {
    const std::string planned = Join(path_, stage.directory);
    const std::string found = Locate(path_, stage);
    if (found != planned && Exists(found)) RCNN_RETURN_IF_ERROR(BringBack(found, planned));
    // Finish may have been killed between its two steps.
    if (IsFinished(planned) && HasKey(planned, stage.key)) {
      RCNN_RETURN_IF_ERROR(Tidy(planned, stage.key));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<StageStatus> RunDirectory::ReadStatus(const PlannedStage& stage,
                                                     bool verify_checksums) const {
  StageStatus status;
  const std::string directory = Locate(path_, stage);
  if (!Exists(Join(directory, kKeyFile))) return status;
  absl::StatusOr<RecordedKey> recorded = ReadKey(directory);
  if (!recorded.ok()) {
    status.complaint = std::string(recorded.status().message());
    return status;
  }
  status.begun = true;
  status.recorded = *std::move(recorded);
  if (IsFinished(directory)) {
    const absl::Status done = CheckDone(directory, status.recorded.key, verify_checksums);
    status.done = done.ok();
    if (!done.ok()) status.complaint = std::string(done.message());
  }
  const std::vector<int64_t> checkpoints = ListCheckpoints(directory);
  if (!status.done && !checkpoints.empty()) status.checkpoint = checkpoints.front();
  return status;
}

absl::Status RunDirectory::Begin(const PlannedStage& stage) {
  const std::string directory = Join(path_, stage.directory);
  RCNN_RETURN_IF_ERROR(Arrange({stage}));
  if (Exists(directory) && !Exists(Join(directory, kKeyFile)) && HasForeignFiles(directory)) {
    return ForeignFiles(directory);
  }
  if (HasKey(directory, stage.key)) {
    std::error_code error;
    fs::remove(Join(directory, kDoneFile), error);
    RCNN_RETURN_IF_ERROR(RemoveTemporaries(directory));
    return SyncDirectory(directory);
  }
  if (Exists(Join(directory, kKeyFile))) RCNN_RETURN_IF_ERROR(PutAside(directory));
  RCNN_RETURN_IF_ERROR(CreateDirectories(directory));
  RCNN_RETURN_IF_ERROR(RemoveTemporaries(directory));
  return WriteFileAtomically(Join(directory, kKeyFile), KeyText(stage)).status();
}

absl::Status RunDirectory::Finish(const PlannedStage& stage,
                                  const std::vector<std::string>& outputs) {
  const std::string directory = Join(path_, stage.directory);
  Json files = Json::object();
  for (const std::string& name : outputs) {
    RCNN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(Join(directory, name)));
    files[name] = DigestToJson(Digest(file.bytes()));
  }
  const Json done = {{"format", kFormat}, {"key", stage.key}, {"files", files}};
  RCNN_RETURN_IF_ERROR(
      WriteFileAtomically(Join(directory, kDoneFile), done.dump(2) + "\n").status());
  RCNN_RETURN_IF_ERROR(RemoveIfThere(absl::StrCat(directory, kUnfinished)));
  return Tidy(directory, stage.key);
}

}  // namespace rcnn::training
