#include "rcnn/training/scheduler/published_results.h"

#include <filesystem>
#include <map>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/training/scheduler/stage_files.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

// Whether `to` is a copy, not a link, with the recorded contents.
absl::StatusOr<bool> IsPublished(const std::string& from, const std::string& to,
                                 const FileDigest& digest) {
  RCNN_ASSIGN_OR_RETURN(const bool is_same, LeadToSameFile(from, to));
  if (is_same) return false;
  const absl::Status status = CheckStoredFile(to, digest);
  if (status.ok()) return true;
  RCNN_ASSIGN_OR_RETURN(const bool is_broken_link, IsBrokenLink(to));
  if (!IsDamage(status) && !is_broken_link) return status;
  return false;
}

// Deletes a result of an earlier version of the experiment. A directory is none.
absl::Status RemoveResult(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(path));
  return type == fs::file_type::directory ? absl::OkStatus() : RemovePath(path);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> PublishResults(const std::string& stage_directory,
                                                        const std::string& run_directory) {
  RCNN_ASSIGN_OR_RETURN(const auto digests, RecordedDigests(stage_directory));
  std::vector<std::string> replaced;
  for (const char* file : kPublishedFiles) {
    const std::string from = absl::StrCat(stage_directory, "/", file);
    const std::string to = absl::StrCat(run_directory, "/", file);
    const auto digest = digests.find(file);
    if (digest == digests.end()) {
      RCNN_RETURN_IF_ERROR(RemoveResult(to));
      continue;
    }
    RCNN_ASSIGN_OR_RETURN(const bool is_published, IsPublished(from, to, digest->second));
    if (is_published) continue;
    RCNN_ASSIGN_OR_RETURN(const bool was_there, PathExists(to));
    RCNN_RETURN_IF_ERROR(MakeWayForFile(to));
    RCNN_RETURN_IF_ERROR(CopyStoredFile(from, to, digest->second));
    if (was_there) replaced.push_back(to);
  }
  RCNN_RETURN_IF_ERROR(SyncDirectory(run_directory));
  return replaced;
}

}  // namespace rcnn::training
