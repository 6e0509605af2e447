// Small text files at the top of a run directory, in which the scheduler keeps from one call to the
// next what can be had again: data_root.txt (data_root_record.h) and rehearsed.txt
// (rehearse_once.h).
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::string before, ReadRunRecord(path));
//   if (before != text) RCNN_RETURN_IF_ERROR(WriteRunRecord(path, text));

#ifndef RCNN_TRAINING_SCHEDULER_RUN_RECORD_H_
#define RCNN_TRAINING_SCHEDULER_RUN_RECORD_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rcnn::training {

// The text; "" if the file is missing, has more than 1 MiB, or something else is in its place.
// Errors: it cannot be read now (base/stored_file.h).
absl::StatusOr<std::string> ReadRunRecord(const std::string& path);

// Writes it atomically, also where something else is in its place, which makes way
// (MakeWayForFile). The errors of base/file_io.h.
absl::Status WriteRunRecord(const std::string& path, const std::string& text);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_RUN_RECORD_H_
