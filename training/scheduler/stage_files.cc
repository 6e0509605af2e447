// What CheckStageFiles finds for each file of the record, and for key.txt and DONE themselves:
//
//   the file   another copy                       result
//   intact     in copies/, or the file is large   nothing
//   intact     copies/ has none                   without_copy
//   intact     damaged in copies/                 without_copy, damaged_copies
//   damaged    intact in copies/ or elsewhere     damaged, with good_copy
//   damaged    none                               damaged: the stage is not whole and runs again
//   either of them cannot be read at present      an error; nothing is known
//
// The key has four places: key.txt, its second copy, and without its parts DONE and the second copy
// of that.
//
// A missing file counts as damaged, DONE too. `copies` counts only if it is a folder, not a link to
// one. RepairStageFiles writes what is damaged or without a copy, and DONE last: a kill in between
// leaves the old record, and the next check repairs again.

#include "rcnn/training/scheduler/stage_files.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxRecordBytes = int64_t{1} << 24;
constexpr int64_t kMaxCopiedBytes = int64_t{4} << 20;

std::string Join(absl::string_view directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

// The copy of DONE has another name: a file DONE says that a stage is finished.
std::string CopyPath(const std::string& directory, absl::string_view name) {
  return absl::StrCat(directory, "/", kCopiesFolder, "/", name == kDoneFile ? "record.json" : name);
}

// A second copy's status if `copies` is a folder of the stage itself: kNotFound otherwise. What a
// link leads to is not the stage's: it is neither read nor changed.
absl::Status CheckCopiesFolder(const std::string& directory) {
  const std::string folder = Join(directory, kCopiesFolder);
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(folder));
  if (type == fs::file_type::directory) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(folder, " is not a folder"));
}

// CheckStoredFile for a second copy.
absl::Status CheckStoredCopy(const std::string& directory, absl::string_view name,
                             const FileDigest& expected) {
  RCNN_RETURN_IF_ERROR(CheckCopiesFolder(directory));
  return CheckStoredFile(CopyPath(directory, name), expected);
}

absl::StatusOr<std::string> ReadCopy(const std::string& directory, absl::string_view name) {
  RCNN_RETURN_IF_ERROR(CheckCopiesFolder(directory));
  return ReadSmallFile(CopyPath(directory, name), kMaxRecordBytes);
}

bool HasSecondCopy(const std::string& name, const FileDigest& digest) {
  return digest.size <= kMaxCopiedBytes && !absl::StrContains(name, '/');
}

// Parses the text of `path`. kDataLoss for a record that is damaged, missing, or of another key.
absl::StatusOr<StageRecord> ParseRecord(const absl::StatusOr<std::string>& text,
                                        const std::string& path, const std::string& key) {
  if (IsDamage(text.status())) return absl::DataLossError(text.status().message());
  RCNN_RETURN_IF_ERROR(text.status());
  const absl::StatusOr<StageRecord> record = ParseStageRecord(*text);
  if (!record.ok()) {
    return absl::DataLossError(absl::StrCat(path, " is damaged: ", record.status().message()));
  }
  if (record->key == key || (!record->sealed && record->key.empty())) return record;
  return absl::DataLossError(absl::StrCat(path, " has another key than ", kKeyFile));
}

// Whether the file was written by a stage, not by the scheduler or a killed write.
absl::StatusOr<bool> MayBeOutput(const std::string& directory, const std::string& name) {
  if (name == kKeyFile || name == kDoneFile || absl::StrContains(name, ".tmp-")) return false;
  return IsRegularFile(Join(directory, name));
}

// Records of older versions may not list all files, or lack checksums: the existing files
// then count as intact.
absl::Status CompleteRecord(const std::string& directory, const std::string& key,
                            StageFiles& files) {
  StageRecord& record = files.record;
  if (record.sealed) return absl::OkStatus();
  record.key = key;
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(directory));
  for (const std::string& name : names) {
    RCNN_ASSIGN_OR_RETURN(const bool is_output, MayBeOutput(directory, name));
    if (is_output) record.files.try_emplace(name, absl::nullopt);
  }
  for (auto& [name, digest] : record.files) {
    if (digest.has_value()) continue;
    const absl::StatusOr<FileDigest> found = ComputeFileDigest(Join(directory, name));
    if (IsDamage(found.status())) {
      return absl::DataLossError(absl::StrCat(Join(directory, name), " is missing"));
    }
    RCNN_RETURN_IF_ERROR(found.status());
    digest = *found;
    files.unrecorded.push_back(name);
  }
  return absl::OkStatus();
}

// The path of an intact copy of the file; empty if there is none.
absl::StatusOr<std::string> FindGoodCopy(const std::string& directory, const std::string& name,
                                         const FileDigest& expected,
                                         const std::vector<std::string>& elsewhere) {
  const absl::Status copy = CheckStoredCopy(directory, name, expected);
  if (copy.ok()) return CopyPath(directory, name);
  if (!IsDamage(copy)) return copy;
  for (const std::string& other : elsewhere) {
    std::string path = Join(other, name);
    const absl::Status status = CheckStoredFile(path, expected);
    if (status.ok()) return path;
    RCNN_ASSIGN_OR_RETURN(const bool is_broken_link, IsBrokenLink(path));
    if (!IsDamage(status) && !is_broken_link) return status;
  }
  return std::string();
}

// Records whether the second copy of a small file is intact.
absl::Status CheckCopy(const std::string& directory, const std::string& name,
                       const FileDigest& expected, StageFiles& files) {
  const absl::Status status = CheckStoredCopy(directory, name, expected);
  if (status.ok()) return absl::OkStatus();
  if (!IsDamage(status)) return status;
  files.without_copy.push_back(name);
  RCNN_ASSIGN_OR_RETURN(const bool has_folder, HasCopiesFolder(directory));
  if (!has_folder) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(CopyPath(directory, name)));
  if (!is_there) {
    files.missing_copies.push_back(CopyPath(directory, name));
  } else {
    files.damaged_copies.push_back(absl::StrCat(status.message(), "; the file itself is intact"));
  }
  return absl::OkStatus();
}

absl::Status CheckFile(const std::string& directory, const std::string& name,
                       const FileDigest& expected, const std::vector<std::string>& elsewhere,
                       StageFiles& files) {
  const absl::Status status = CheckStoredFile(Join(directory, name), expected);
  if (status.ok()) {
    return HasSecondCopy(name, expected) ? CheckCopy(directory, name, expected, files)
                                         : absl::OkStatus();
  }
  if (!IsDamage(status)) return status;
  RCNN_ASSIGN_OR_RETURN(std::string copy, FindGoodCopy(directory, name, expected, elsewhere));
  files.damaged.push_back({name, std::string(status.message()), std::move(copy)});
  return absl::OkStatus();
}

// Counts key.txt as damaged if the key is from elsewhere; otherwise checks its second copy.
absl::Status CheckKeyFile(const std::string& directory, const StageKey& key, StageFiles& files) {
  if (key.source != Join(directory, kKeyFile)) {
    files.damaged.push_back({kKeyFile, key.problem, key.source});
    return absl::OkStatus();
  }
  return CheckCopy(directory, kKeyFile, Digest(key.text), files);
}

// Sets the key from a sealed record, if there is an intact one.
absl::Status ReadKeyOfRecord(const std::string& directory, StageKey& key) {
  const std::string first = Join(directory, kDoneFile);
  for (const std::string& path : {first, CopyPath(directory, kDoneFile)}) {
    const absl::StatusOr<std::string> text =
        path == first ? ReadSmallFile(path, kMaxRecordBytes) : ReadCopy(directory, kDoneFile);
    if (!text.ok() && !IsDamage(text.status())) return text.status();
    if (!text.ok()) continue;
    const absl::StatusOr<StageRecord> record = ParseStageRecord(*text);
    if (!record.ok() || !record->sealed) continue;
    key.recorded = RecordedKey{record->key, {}};
    key.source = path;
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

// Records whether something else is in the place of the folder of second copies.
absl::Status CheckPlaceOfCopies(const std::string& directory, StageFiles& files) {
  const std::string folder = Join(directory, kCopiesFolder);
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(folder));
  if (type == fs::file_type::not_found) files.missing_copies.push_back(folder);
  if (type == fs::file_type::directory || type == fs::file_type::not_found) {
    return absl::OkStatus();
  }
  files.damaged_copies.push_back(
      absl::StrCat(folder, " is ", type == fs::file_type::symlink ? "a link, not " : "not ",
                   "a folder, and is replaced; the files themselves are checked"));
  return absl::OkStatus();
}

absl::Status ReplaceFile(const std::string& path, absl::string_view bytes) {
  RCNN_RETURN_IF_ERROR(MakeWayForFile(path));
  return WriteFileAtomically(path, bytes).status();
}

absl::Status WriteCopy(const std::string& directory, const std::string& name) {
  RCNN_RETURN_IF_ERROR(MakeCopiesFolder(directory));
  RCNN_RETURN_IF_ERROR(MakeWayForFile(CopyPath(directory, name)));
  const std::string from = Join(directory, name);
  RCNN_ASSIGN_OR_RETURN(const FileDigest digest, ComputeFileDigest(from));
  return CopyStoredFile(from, CopyPath(directory, name), digest);
}

absl::Status WriteRecord(const std::string& directory, const StageRecord& record) {
  const std::string text = StageRecordText(record);
  RCNN_RETURN_IF_ERROR(MakeCopiesFolder(directory));
  RCNN_RETURN_IF_ERROR(ReplaceFile(CopyPath(directory, kDoneFile), text));
  return ReplaceFile(Join(directory, kDoneFile), text);
}

}  // namespace

bool StageFiles::IsWhole() const {
  for (const DamagedFile& file : damaged) {
    if (file.good_copy.empty()) return false;
  }
  return true;
}

bool StageFiles::NeedsRepair() const {
  return IsWhole() && (!damaged.empty() || !without_copy.empty() || !record.sealed);
}

std::string StageFiles::Problem() const {
  for (const DamagedFile& file : damaged) {
    if (file.good_copy.empty()) return file.what;
  }
  return "";
}

std::vector<std::string> StageFiles::Notices() const {
  std::vector<std::string> notices = damaged_copies;
  for (const DamagedFile& file : damaged) {
    notices.push_back(file.good_copy.empty()
                          ? file.what
                          : absl::StrCat(file.what, "; an intact copy is ", file.good_copy));
  }
  return notices;
}

absl::StatusOr<StageKey> ReadStageKey(const std::string& directory) {
  StageKey key;
  const std::string first = Join(directory, kKeyFile);
  for (const std::string& path : {first, CopyPath(directory, kKeyFile)}) {
    const absl::StatusOr<std::string> text =
        path == first ? ReadSmallFile(path, kMaxRecordBytes) : ReadCopy(directory, kKeyFile);
    if (!text.ok() && !IsDamage(text.status())) return text.status();
    const absl::StatusOr<RecordedKey> recorded = text.ok() ? ParseKeyText(*text) : text.status();
    if (recorded.ok()) {
      key.recorded = *recorded;
      key.text = *text;
      key.source = path;
      return key;
    }
    if (key.problem.empty() && text.ok()) {
      key.problem = absl::StrCat(path, ": ", recorded.status().message());
    } else if (key.problem.empty()) {
      key.problem = absl::IsNotFound(text.status()) ? absl::StrCat(path, " is missing")
                                                    : std::string(text.status().message());
    }
  }
  RCNN_RETURN_IF_ERROR(ReadKeyOfRecord(directory, key));
  if (key.recorded.has_value()) return key;
  RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(first));
  if (!is_there) key.problem.clear();
  return key;
}

absl::StatusOr<bool> IsStageFinished(const std::string& directory,
                                     const std::vector<std::string>& elsewhere) {
  RCNN_ASSIGN_OR_RETURN(const bool is_done, PathExists(Join(directory, kDoneFile)));
  if (is_done) return true;
  RCNN_ASSIGN_OR_RETURN(const bool has_folder, HasCopiesFolder(directory));
  if (!has_folder) return false;
  RCNN_ASSIGN_OR_RETURN(const bool has_copy, PathExists(CopyPath(directory, kDoneFile)));
  if (!has_copy) return false;
  const absl::StatusOr<StageFiles> files = CheckStageFiles(directory, elsewhere);
  if (files.ok()) return files->IsWhole();
  if (IsDamage(files.status())) return false;
  return files.status();
}

// DONE last: it says that the stage is finished.
absl::Status RemoveStageRecord(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const bool has_folder, HasCopiesFolder(directory));
  if (has_folder) RCNN_RETURN_IF_ERROR(RemovePath(CopyPath(directory, kDoneFile)));
  return RemovePath(Join(directory, kDoneFile));
}

absl::StatusOr<StageFiles> CheckStageFiles(const std::string& directory,
                                           const std::vector<std::string>& elsewhere) {
  StageFiles files;
  RCNN_ASSIGN_OR_RETURN(const StageKey stage_key, ReadStageKey(directory));
  if (!stage_key.recorded.has_value()) return absl::DataLossError(stage_key.problem);
  const std::string& key = stage_key.recorded->key;
  const std::string path = Join(directory, kDoneFile);
  absl::StatusOr<StageRecord> record = ParseRecord(ReadSmallFile(path, kMaxRecordBytes), path, key);
  if (!record.ok() && !IsDamage(record.status())) return record.status();
  if (record.ok()) {
    files.record = *std::move(record);
    RCNN_RETURN_IF_ERROR(CompleteRecord(directory, key, files));
    RCNN_RETURN_IF_ERROR(
        CheckCopy(directory, kDoneFile, Digest(StageRecordText(files.record)), files));
  } else {
    const std::string copy = CopyPath(directory, kDoneFile);
    absl::StatusOr<StageRecord> second = ParseRecord(ReadCopy(directory, kDoneFile), copy, key);
    if (!second.ok() && !IsDamage(second.status())) return second.status();
    // The versions that wrote no seal wrote no copies.
    if (!second.ok() || !second->sealed) return record.status();
    files.record = *std::move(second);
    files.damaged.push_back({kDoneFile, std::string(record.status().message()), copy});
  }
  for (const auto& [name, digest] : files.record.files) {
    RCNN_RETURN_IF_ERROR(CheckFile(directory, name, *digest, elsewhere, files));
  }
  RCNN_RETURN_IF_ERROR(CheckKeyFile(directory, stage_key, files));
  RCNN_RETURN_IF_ERROR(CheckPlaceOfCopies(directory, files));
  return files;
}

absl::Status RepairStageFiles(const std::string& directory, const StageFiles& files,
                              const std::string& key_text) {
  bool record_is_whole = files.record.sealed;
  for (const DamagedFile& file : files.damaged) {
    record_is_whole &= file.name != kDoneFile;
    if (file.name == kDoneFile) continue;
    if (file.name == kKeyFile) {
      RCNN_ASSIGN_OR_RETURN(const StageKey key, ReadStageKey(directory));
      const std::string& text = key.text.empty() ? key_text : key.text;
      if (!text.empty()) RCNN_RETURN_IF_ERROR(WriteKeyFile(directory, text));
      continue;
    }
    const auto recorded = files.record.files.find(file.name);
    RCNN_RETURN_IF_ERROR(MakeWayForFile(Join(directory, file.name)));
    RCNN_RETURN_IF_ERROR(
        CopyStoredFile(file.good_copy, Join(directory, file.name), recorded->second.value()));
    if (HasSecondCopy(file.name, *recorded->second)) {
      RCNN_RETURN_IF_ERROR(WriteCopy(directory, file.name));
    }
  }
  for (const std::string& name : files.without_copy) {
    record_is_whole &= name != kDoneFile;
    if (name != kDoneFile) RCNN_RETURN_IF_ERROR(WriteCopy(directory, name));
  }
  return record_is_whole ? absl::OkStatus() : WriteRecord(directory, files.record);
}

absl::Status RecordStageFiles(const std::string& directory, const std::string& key,
                              const std::vector<std::string>& outputs, int processes) {
  StageRecord record;
  record.key = key;
  record.processes = processes;
  for (const std::string& name : outputs) {
    const std::string path = Join(directory, name);
    // A log, which is only appended to, may not be on the disk yet.
    RCNN_RETURN_IF_ERROR(SyncFile(path));
    RCNN_ASSIGN_OR_RETURN(record.files[name], ComputeFileDigest(path));
    if (HasSecondCopy(name, *record.files[name])) {
      RCNN_RETURN_IF_ERROR(WriteCopy(directory, name));
    }
  }
  return WriteRecord(directory, record);
}

absl::Status WriteKeyFile(const std::string& directory, const std::string& text) {
  RCNN_RETURN_IF_ERROR(ReplaceFile(Join(directory, kKeyFile), text));
  RCNN_RETURN_IF_ERROR(MakeCopiesFolder(directory));
  return ReplaceFile(CopyPath(directory, kKeyFile), text);
}

absl::StatusOr<bool> HasCopiesFolder(const std::string& directory) {
  const absl::Status status = CheckCopiesFolder(directory);
  if (status.ok() || absl::IsNotFound(status)) return status.ok();
  return status;
}

absl::Status MakeCopiesFolder(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const bool is_folder, HasCopiesFolder(directory));
  const std::string folder = Join(directory, kCopiesFolder);
  if (!is_folder) RCNN_RETURN_IF_ERROR(RemovePath(folder));
  return CreateDirectories(folder);
}

bool IsStageDirectory(absl::string_view name) {
  const size_t digits = name.find_first_not_of("0123456789");
  return digits != absl::string_view::npos && digits > 0 && name[digits] == '_';
}

absl::StatusOr<std::map<std::string, FileDigest>> RecordedDigests(const std::string& directory) {
  const std::string path = Join(directory, kDoneFile);
  RCNN_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kMaxRecordBytes));
  RCNN_ASSIGN_OR_RETURN(const StageRecord record, ParseStageRecord(text), path);
  std::map<std::string, FileDigest> digests;
  for (const auto& [name, digest] : record.files) {
    if (digest.has_value()) digests[name] = *digest;
  }
  return digests;
}

}  // namespace rcnn::training
