// The results at the top of a run directory: copies of its last evaluation's files.
//
// Copies, not links, so that editing an image or continuing to train the weights
// there does not change the stages' recorded results.
//
// Example: RCNN_RETURN_IF_ERROR(PublishResults(run.StagePath(stage), run.path()));

#ifndef RCNN_TRAINING_SCHEDULER_PUBLISHED_RESULTS_H_
#define RCNN_TRAINING_SCHEDULER_PUBLISHED_RESULTS_H_

#include <string>

#include "absl/status/status.h"

namespace rcnn::training {

// Copies detections.json, metrics.json, contact_sheet.jpg, model.safetensors and
// detector.textproto from the directory of a finished evaluation, each atomically.
// Identical files are kept. A file that the evaluation does not have comes from an
// earlier version of the experiment and is deleted.
// Returns the errors of base/file_io.h, for example kResourceExhausted on a full
// disk.
absl::Status PublishResults(const std::string& stage_directory, const std::string& run_directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_PUBLISHED_RESULTS_H_
