// The record of a finished stage: the file DONE, with the checksum of each result.
//
//   {"format": 1, "key": "<hex>", "files": {"<name>": {"size": n, "crc32c": "<hex>"}},
//    "processes": n, "seal": "<hex>"}
//
// "processes" is there only if there was more than one.
//
// The seal is the checksum of the text without it. A text that differs in any byte from
// what its values serialise to is damaged. Records of older versions have no seal and may
// lack checksums; stage_files.h adds what is missing.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(StageRecord record, ParseStageRecord(text));
//   for (const auto& [name, digest] : record.files) Use(name, digest.has_value());

#ifndef RCNN_BASE_STAGE_RECORD_H_
#define RCNN_BASE_STAGE_RECORD_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "rcnn/base/file_io.h"

namespace rcnn {

struct StageRecord {
  std::string key;
  // By name, relative to the stage's directory. Without a value: recorded without a
  // checksum, which only unsealed records can have.
  std::map<std::string, absl::optional<FileDigest>> files;
  // How many processes ran the stage together, at its end.
  int processes = 1;
  bool sealed = true;
  // An unsealed record that does not list its files.
  bool lists_files = true;
};

// The text of DONE, sealed. Every file has a digest.
std::string StageRecordText(const StageRecord& record);

// kDataLoss, saying what is wrong, for any other text, and for one with a file that is not inside
// the stage's directory.
absl::StatusOr<StageRecord> ParseStageRecord(absl::string_view text);

}  // namespace rcnn

#endif  // RCNN_BASE_STAGE_RECORD_H_
