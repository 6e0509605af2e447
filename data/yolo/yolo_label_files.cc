#include "rcnn/data/yolo/yolo_label_files.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/image_names.h"
#include "rcnn/data/core/record_limit.h"
#include "rcnn/data/core/text_encoding.h"

namespace rcnn::data {
namespace {

constexpr absl::string_view kExtension = ".txt";
constexpr int64_t kMaxLabelBytes = int64_t{16} << 20;
constexpr size_t kLeastLineBytes = 10;  // "0 0 0 1 1\n"

// Each line becomes an object, which takes some 300 bytes of memory.
absl::Status CheckNumLines(absl::string_view text) {
  size_t lines = 0;
  for ([[maybe_unused]] const absl::string_view line :
       absl::StrSplit(text, absl::ByAnyChar("\r\n"), absl::SkipWhitespace())) {
    ++lines;
  }
  return CheckNumRecords(lines, "lines", text.size(), kLeastLineBytes);
}

absl::StatusOr<YoloLabelFile> ReadOne(const std::string& folder, std::string name) {
  const std::string path = absl::StrCat(folder, "/", name);
  RCNN_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, {.max_bytes = kMaxLabelBytes}));
  RCNN_ASSIGN_OR_RETURN(std::string text, ToUtf8(bytes), path);
  RCNN_RETURN_IF_ERROR(CheckNumLines(text), path);
  return YoloLabelFile{std::move(name), std::move(text)};
}

}  // namespace

YoloLabelFiles::YoloLabelFiles(std::string folder, const ListingOptions& options)
    : folder_(std::move(folder)), options_(options) {}

absl::Status YoloLabelFiles::List() {
  listed_ = true;
  const absl::StatusOr<std::vector<std::string>> files = ListFiles(folder_, options_);
  if (absl::IsNotFound(files.status())) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(files.status());
  for (const std::string& file : *files) {
    if (!absl::EndsWithIgnoreCase(file, kExtension)) continue;
    others_.emplace(file.substr(0, file.size() - kExtension.size()), file);
  }
  return absl::OkStatus();
}

absl::StatusOr<YoloLabelFile> YoloLabelFiles::Read(absl::string_view image) {
  const std::string stem = WithoutImageExtension(image);
  absl::StatusOr<YoloLabelFile> usual = ReadOne(folder_, absl::StrCat(stem, kExtension));
  if (!absl::IsNotFound(usual.status())) return usual;
  if (!listed_) RCNN_RETURN_IF_ERROR(List());
  for (const absl::string_view key : {absl::string_view(stem), image}) {
    const auto found = others_.find(key);
    if (found != others_.end()) return ReadOne(folder_, found->second);
  }
  return YoloLabelFile();
}

}  // namespace rcnn::data
