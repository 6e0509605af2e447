#include "rcnn/training/scheduler/run_record.h"

#include <cstdint>

#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"

namespace rcnn::training {
namespace {

constexpr int64_t kMaxRecordBytes = int64_t{1} << 20;

}  // namespace

absl::StatusOr<std::string> ReadRunRecord(const std::string& path) {
  absl::StatusOr<std::string> text = ReadSmallFile(path, kMaxRecordBytes);
  if (text.ok()) return text;
  RCNN_ASSIGN_OR_RETURN(const bool is_broken_link, IsBrokenLink(path));
  if (IsDamage(text.status()) || is_broken_link) return std::string();
  return text;
}

absl::Status WriteRunRecord(const std::string& path, const std::string& text) {
  RCNN_RETURN_IF_ERROR(MakeWayForFile(path));
  return WriteFileAtomically(path, text).status();
}

}  // namespace rcnn::training
