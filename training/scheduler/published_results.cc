#include "rcnn/training/scheduler/published_results.h"

#include <filesystem>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

// Another file with the same contents.
bool MatchesSource(const std::string& target, const MappedFile& source, const std::string& from) {
  std::error_code error;
  if (fs::equivalent(from, target, error) || error) return false;
  const absl::StatusOr<MappedFile> there = MappedFile::Open(target);
  return there.ok() && there->bytes() == source.bytes();
}

absl::Status Copy(const std::string& from, const std::string& to) {
  RCNN_ASSIGN_OR_RETURN(const MappedFile source, MappedFile::Open(from));
  if (MatchesSource(to, source, from)) return absl::OkStatus();
  return WriteFileAtomically(to, source.bytes()).status();
}

}  // namespace

absl::Status PublishResults(const std::string& stage_directory, const std::string& run_directory) {
  for (const char* file : {"detections.json", "metrics.json", "contact_sheet.jpg",
                           "model.safetensors", "detector.textproto"}) {
    const std::string from = absl::StrCat(stage_directory, "/", file);
    const std::string to = absl::StrCat(run_directory, "/", file);
    std::error_code ignored;
    if (fs::exists(from)) {
      RCNN_RETURN_IF_ERROR(Copy(from, to));
    } else {
      fs::remove(to, ignored);
    }
  }
  return SyncDirectory(run_directory);
}

}  // namespace rcnn::training
