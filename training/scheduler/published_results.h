// The results at the top of a run directory: copies of what its last evaluation left.
//
// Copies, not links: whoever edits or scales an image there, or trains on from the
// weights in place, does not change what the stages have recorded.
//
// Example: RCNN_RETURN_IF_ERROR(PublishResults(run.StagePath(stage), run.path()));

#ifndef RCNN_TRAINING_SCHEDULER_PUBLISHED_RESULTS_H_
#define RCNN_TRAINING_SCHEDULER_PUBLISHED_RESULTS_H_

#include <string>

#include "absl/status/status.h"

namespace rcnn::training {

// Copies detections.json, metrics.json, contact_sheet.jpg, model.safetensors and
// detector.textproto from the directory of an evaluation that is done, each in one
// step. One that is the same already stays as it is; one that the evaluation does
// not have is of an earlier form of the experiment, and goes.
// Those of base/file_io.h, kResourceExhausted on a full disk for one.
absl::Status PublishResults(const std::string& stage_directory, const std::string& run_directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_PUBLISHED_RESULTS_H_
