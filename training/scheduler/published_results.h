// The results at the top of a run directory: copies of its last evaluation's files.
//
// Copies, not links, so that editing an image or continuing to train the weights
// there does not change the stages' recorded results.
//
// A file is copied only if its checksum is the recorded one. A file at the top with the same
// checksum is kept.
//
// Example:
//   RCNN_RETURN_IF_ERROR(PublishResults(stage_path, run.path()).status());

#ifndef RCNN_TRAINING_SCHEDULER_PUBLISHED_RESULTS_H_
#define RCNN_TRAINING_SCHEDULER_PUBLISHED_RESULTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rcnn::training {

inline constexpr const char* kPublishedFiles[] = {"detections.json",   "metrics.json",
                                                  "contact_sheet.jpg", "report.html",
                                                  "model.safetensors", "detector.textproto"};

// Copies kPublishedFiles from the directory of a finished evaluation, each atomically.
// Identical files are kept. What else is in the place of one makes way (MakeWayForFile): a
// directory with contents is renamed, not deleted. A file that the evaluation does not have comes
// from an earlier version of the experiment and is deleted. Returns the paths of replaced files.
// kDataLoss if a file of the stage is damaged; the run directory then keeps its file. Otherwise the
// errors of base/file_io.h, for example kResourceExhausted on a full disk.
absl::StatusOr<std::vector<std::string>> PublishResults(const std::string& stage_directory,
                                                        const std::string& run_directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_PUBLISHED_RESULTS_H_
