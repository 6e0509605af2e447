#include "rcnn/training/scheduler/unrecorded_results.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/safetensors.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/training/scheduler/published_results.h"
#include "rcnn/training/scheduler/stage_files.h"

namespace rcnn::training {
namespace {

// Whether the bytes can be a whole file of the kind that the name says: JSON and safetensors are
// read, of others the beginning and the end are compared, which a file that was cut off lacks.
bool CanBeRead(absl::string_view name, absl::string_view bytes) {
  if (absl::EndsWith(name, ".json")) return nlohmann::json::accept(bytes.begin(), bytes.end());
  if (absl::EndsWith(name, ".safetensors")) return SafetensorsView::Parse(bytes).ok();
  if (absl::EndsWith(name, ".jpg")) {
    return absl::StartsWith(bytes, "\xff\xd8") && absl::EndsWith(bytes, "\xff\xd9");
  }
  if (absl::EndsWith(name, ".html")) {
    return absl::EndsWith(absl::StripTrailingAsciiWhitespace(bytes), "</html>");
  }
  return !bytes.empty() && !absl::StrContains(bytes, absl::string_view("\0", 1));
}

absl::StatusOr<bool> CanBeReadAt(absl::string_view name, const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  return CanBeRead(name, file.bytes());
}

// `digest` is that of the stage's file. Returns what is to be told, "" if nothing is.
absl::StatusOr<std::string> Settle(const std::string& name, const std::string& of_stage,
                                   const FileDigest& digest, const std::string& at_top) {
  const absl::StatusOr<FileDigest> top = ComputeFileDigest(at_top);
  RCNN_ASSIGN_OR_RETURN(const bool is_broken_link, IsBrokenLink(at_top));
  if (!top.ok() && (IsDamage(top.status()) || is_broken_link)) return std::string();
  RCNN_RETURN_IF_ERROR(top.status());
  if (*top == digest) return std::string();
  RCNN_ASSIGN_OR_RETURN(const bool stage_is_read, CanBeReadAt(name, of_stage));
  RCNN_ASSIGN_OR_RETURN(const bool top_is_read, CanBeReadAt(name, at_top));
  const std::string differ =
      absl::StrCat(of_stage, " and ", at_top,
                   " differ, and no checksum was recorded that tells which is intact");
  if (!stage_is_read && top_is_read) {
    RCNN_RETURN_IF_ERROR(CopyStoredFile(at_top, of_stage, *top));
    return absl::StrCat(differ, "; the first one cannot be read, so the second one is used");
  }
  RCNN_ASSIGN_OR_RETURN(const std::string aside, FreePathBeside(at_top));
  RCNN_RETURN_IF_ERROR(RenamePath(at_top, aside));
  if (stage_is_read && !top_is_read) {
    return absl::StrCat(differ,
                        "; the second one cannot be read, so the first one is used; the "
                        "second one is now ",
                        aside);
  }
  if (stage_is_read) {
    return absl::StrCat(differ, "; the first one is used, and the second one is now ", aside,
                        "; compare them, and move the directory of the stage away if it is to be "
                        "made again");
  }
  return absl::StrCat(differ, "; neither can be read; the second one is now ", aside,
                      "; move the directory of the stage away, and it is made again");
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SettleUnrecordedResults(const std::string& stage_directory,
                                                                 const std::string& run_directory) {
  std::vector<std::string> notices;
  const absl::StatusOr<StageFiles> files = CheckStageFiles(stage_directory, {run_directory});
  if (!files.ok() && IsDamage(files.status())) return notices;
  RCNN_RETURN_IF_ERROR(files.status());
  for (const std::string& name : files->unrecorded) {
    const bool is_published = std::find(std::begin(kPublishedFiles), std::end(kPublishedFiles),
                                        name) != std::end(kPublishedFiles);
    if (!is_published) continue;
    RCNN_ASSIGN_OR_RETURN(std::string notice, Settle(name, absl::StrCat(stage_directory, "/", name),
                                                     files->record.files.at(name).value(),
                                                     absl::StrCat(run_directory, "/", name)));
    if (!notice.empty()) notices.push_back(std::move(notice));
  }
  return notices;
}

}  // namespace rcnn::training
