#include "rcnn/data/core/record_limit.h"

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"

namespace rcnn::data {

absl::Status CheckNumRecords(size_t records, absl::string_view what, size_t file_bytes,
                             size_t least_bytes) {
  if (records <= kFewRecords + file_bytes / least_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("too many ", what, " for a file of ", Counted(file_bytes, "byte")));
}

}  // namespace rcnn::data
