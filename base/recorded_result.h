// Compares a result in a run directory with the checksum that its finished stage has recorded.
//
//   R/stages/<n>_<name>/<file>       a result of a stage; DONE beside it has its checksum
//   R/<file>                         a copy of a result of the last evaluation
//   R/experiment.textproto           the experiment; its second copy has its checksum
//
// For programs that use the results of a run but do not plan it. They notice damage here, and the
// scheduler repairs it (training/scheduler/stage_files.h). For damage, not for forgeries: see
// SECURITY.md.
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckRecordedResult("runs/cells/detections.json"));

#ifndef RCNN_BASE_RECORDED_RESULT_H_
#define RCNN_BASE_RECORDED_RESULT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/base/file_io.h"

namespace rcnn {

// The digests that the file at `path` may have: that of the record in its folder or, if its folder
// has stages/ instead, those that finished evaluations have recorded for a file of its name, one of
// which has published it; for experiment.textproto that of its second copy (experiment_copy.h). If
// nothing tells, and the path is a link, those of the file that it leads to. None if nothing tells
// then: the folder belongs to no run, no such stage is finished, it comes from a version without
// checksums, or its record and the second copy of it are damaged. Reads records alone. Errors: a
// record cannot be read now.
absl::StatusOr<std::vector<FileDigest>> FindRecordedDigests(const std::string& path);

// kDataLoss, saying what differs and what to do, if there are recorded digests and `actual`, that
// of the file, is none of them.
absl::Status CompareWithRecorded(const std::string& path, const FileDigest& actual,
                                 const std::vector<FileDigest>& recorded);

// Both for a file, which is read for its checksum if one was recorded: 0.33 s for a gigabyte in the
// page cache. Also the errors of ComputeFileDigest (stored_file.h).
absl::Status CheckRecordedResult(const std::string& path);

}  // namespace rcnn

#endif  // RCNN_BASE_RECORDED_RESULT_H_
