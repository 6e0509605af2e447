#include "rcnn/data/voc/voc_folder.h"

#include <cstdint>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/text_encoding.h"
#include "rcnn/data/voc/voc_split.h"

namespace rcnn::data {
namespace {

constexpr int64_t kMaxXmlBytes = int64_t{16} << 20;

// "; the lists there: test, trainval", or an explanation for a folder without
// lists.
std::string ListsThere(const std::string& lists) {
  std::set<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(lists, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() == ".txt") names.insert(entry->path().stem().string());
  }
  if (names.empty()) return " (a VOC dataset has the lists of its splits in this folder)";
  return absl::StrCat("; the lists there: ", absl::StrJoin(names, ", "));
}

}  // namespace

absl::StatusOr<VocAnnotationFiles> ListVocAnnotations(const std::string& path) {
  VocAnnotationFiles files;
  std::error_code error;
  std::filesystem::directory_iterator entry(path, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    // macOS leaves "._NAME.xml" on foreign file systems.
    if (absl::StartsWith(file, "._") || !absl::EndsWithIgnoreCase(file, ".xml")) continue;
    files.emplace(entry->path().stem().string(), file);
  }
  if (!error) return files;
  const absl::Status status = ErrorNumberStatus(error.value(), "list", path);
  if (IsUnreadableNow(status)) return status;
  return absl::NotFoundError(
      absl::StrCat(path, ": ", error.message(), " (a VOC dataset has this folder)"));
}

absl::StatusOr<std::vector<std::string>> ReadVocSplit(const std::string& folder,
                                                      const std::string& split,
                                                      const VocAnnotationFiles& annotations) {
  const std::string lists = absl::StrCat(folder, "/ImageSets/Main");
  RCNN_ASSIGN_OR_RETURN(std::string path, JoinInside(lists, absl::StrCat(split, ".txt")));
  const absl::StatusOr<std::string> bytes = ReadFile(path);
  if (absl::IsNotFound(bytes.status())) {
    return absl::NotFoundError(absl::StrCat(bytes.status().message(), ListsThere(lists)));
  }
  RCNN_RETURN_IF_ERROR(bytes.status());
  RCNN_ASSIGN_OR_RETURN(const std::string text, ToUtf8(*bytes), path);
  std::vector<std::string> names =
      ParseVocSplit(text, [&](const std::string& name) { return annotations.count(name) > 0; });
  if (names.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": an empty list; write an image name on each line"));
  }
  return names;
}

absl::StatusOr<VocAnnotation> ReadVocAnnotation(const std::string& folder,
                                                const std::string& file) {
  RCNN_ASSIGN_OR_RETURN(std::string path, JoinInside(folder, file));
  RCNN_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, {.max_bytes = kMaxXmlBytes}));
  return ParseVocAnnotation(bytes);
}

void AddVocVotes(const VocAnnotation& annotation, CoordinateVotes& votes) {
  for (const VocObject& object : annotation.objects) {
    if (!object.problem) votes.Add(object.corners, annotation.width, annotation.height);
  }
}

absl::Status CountVocCorners(const std::string& annotations, CoordinateVotes& votes) {
  RCNN_ASSIGN_OR_RETURN(const VocAnnotationFiles files, ListVocAnnotations(annotations));
  for (const auto& [name, file] : files) {
    const absl::StatusOr<VocAnnotation> annotation = ReadVocAnnotation(annotations, file);
    if (IsUnreadableNow(annotation.status())) return annotation.status();
    if (annotation.ok()) AddVocVotes(*annotation, votes);
  }
  return absl::OkStatus();
}

}  // namespace rcnn::data
