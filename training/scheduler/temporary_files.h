// What killed writes left in the directories of a run: "model.safetensors.tmp-4711-0"
// (WriteFileAtomically, base/file_io.h).
//
// Example:
//   RCNN_RETURN_IF_ERROR(RemoveTemporaries("runs/cells"));

#ifndef RCNN_TRAINING_SCHEDULER_TEMPORARY_FILES_H_
#define RCNN_TRAINING_SCHEDULER_TEMPORARY_FILES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::training {

// Whether a file has such a name. "notes.tmp-mine" is the user's.
bool IsTemporary(absl::string_view name);

// Deletes them in a directory and among its second copies (stage_files.h), which a link does not
// lead to. A missing directory has none. Errors: those of base/stored_file.h.
absl::Status RemoveTemporaries(const std::string& directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_TEMPORARY_FILES_H_
