#include "rcnn/base/recorded_result.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/experiment_copy.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/stage_record.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"

namespace rcnn {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxRecordBytes = int64_t{1} << 24;
// What every evaluation writes, and no other stage.
constexpr char kEvaluationFile[] = "detections.json";
constexpr char kExperimentFile[] = "experiment.textproto";

// None if there is no record, or if it and its second copy are damaged.
absl::StatusOr<std::optional<StageRecord>> ReadRecord(const std::string& directory) {
  for (const char* name : {"DONE", "copies/record.json"}) {
    const absl::StatusOr<std::string> text =
        ReadFile(absl::StrCat(directory, "/", name), {.max_bytes = kMaxRecordBytes});
    if (IsUnreadableNow(text.status())) return text.status();
    if (!text.ok()) continue;
    absl::StatusOr<StageRecord> record = ParseStageRecord(*text);
    if (record.ok()) return std::optional<StageRecord>(*std::move(record));
  }
  return std::optional<StageRecord>();
}

// Whether the record may have a file of the name without its checksum.
bool LacksChecksum(const StageRecord& record, const std::string& name) {
  const auto file = record.files.find(name);
  return !record.lists_files || (file != record.files.end() && !file->second.has_value());
}

void AddDigest(const StageRecord& record, const std::string& name,
               std::vector<FileDigest>& digests) {
  const auto file = record.files.find(name);
  if (file != record.files.end() && file->second.has_value()) digests.push_back(*file->second);
}

// Of the finished evaluations below `stages`.
absl::StatusOr<std::vector<FileDigest>> PublishedDigests(const std::string& stages,
                                                         const std::string& name) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> folders, ListNames(stages));
  std::vector<FileDigest> digests;
  for (const std::string& folder : folders) {
    // What is being deleted.
    if (absl::EndsWith(folder, ".removed")) continue;
    RCNN_ASSIGN_OR_RETURN(const auto record, ReadRecord(absl::StrCat(stages, "/", folder)));
    if (!record.has_value()) continue;
    if (LacksChecksum(*record, name)) return std::vector<FileDigest>();
    if (record->files.count(kEvaluationFile) > 0) AddDigest(*record, name, digests);
  }
  return digests;
}

// That of the second copy of a run's experiment, if it is intact.
absl::StatusOr<std::vector<FileDigest>> ExperimentDigests(const std::string& directory) {
  const std::string copies = absl::StrCat(directory, "/copies");
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(copies));
  // What a link leads to is not this run's.
  if (type != fs::file_type::directory) return std::vector<FileDigest>();
  const absl::StatusOr<std::string> copy =
      ReadFile(absl::StrCat(copies, "/", kExperimentFile), {.max_bytes = kMaxRecordBytes});
  if (IsUnreadableNow(copy.status())) return copy.status();
  if (!copy.ok()) return std::vector<FileDigest>();
  const absl::StatusOr<std::string> text = ParseExperimentCopy(*copy);
  return text.ok() ? std::vector<FileDigest>{Digest(*text)} : std::vector<FileDigest>();
}

// Of a path as it is given, whatever it leads to.
absl::StatusOr<std::vector<FileDigest>> DigestsBeside(const fs::path& file) {
  const std::string directory = file.has_parent_path() ? file.parent_path().string() : ".";
  const std::string name = file.filename().string();
  if (name == kExperimentFile) return ExperimentDigests(directory);
  RCNN_ASSIGN_OR_RETURN(const auto record, ReadRecord(directory));
  if (!record.has_value()) return PublishedDigests(absl::StrCat(directory, "/stages"), name);
  std::vector<FileDigest> digests;
  AddDigest(*record, name, digests);
  return digests;
}

std::string Shown(const FileDigest& digest) {
  return absl::StrFormat("%s with CRC-32C %08x", Counted(digest.size, "byte"), digest.crc32c);
}

}  // namespace

absl::StatusOr<std::vector<FileDigest>> FindRecordedDigests(const std::string& path) {
  // The error is that of opening the file.
  if (IsPathTooLong(path)) return std::vector<FileDigest>();
  RCNN_ASSIGN_OR_RETURN(std::vector<FileDigest> digests, DigestsBeside(path));
  if (!digests.empty()) return digests;
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(path));
  if (type != fs::file_type::symlink) return digests;
  std::error_code error;
  const fs::path target = fs::canonical(path, error);
  // As above.
  if (error) return digests;
  return DigestsBeside(target);
}

absl::Status CompareWithRecorded(const std::string& path, const FileDigest& actual,
                                 const std::vector<FileDigest>& recorded) {
  if (recorded.empty()) return absl::OkStatus();
  if (std::find(recorded.begin(), recorded.end(), actual) != recorded.end()) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(
      path, " is damaged or was edited: ", Shown(actual), ", but its run wrote ",
      Shown(recorded.back()),
      ". The command that made the run restores it when it is run again; to use an edited file, "
      "copy it to a folder outside the run"));
}

absl::Status CheckRecordedResult(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<FileDigest> recorded, FindRecordedDigests(path));
  if (recorded.empty()) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const FileDigest actual, ComputeFileDigest(path));
  return CompareWithRecorded(path, actual, recorded);
}

}  // namespace rcnn
