// Notices, printed before an experiment starts, about images so large that detection on them
// takes gigabytes of memory.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> notices, MemoryNotices(run));
//   for (const std::string& notice : notices) std::cout << notice << "\n";

#ifndef RCNN_TRAINING_SCHEDULER_MEMORY_NOTICES_H_
#define RCNN_TRAINING_SCHEDULER_MEMORY_NOTICES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// A sentence without a full stop for each dataset whose largest image takes a gigabyte or more
// when a stage proposes, detects or validates on it, or as many of that size as
// resources.inference_batch lets through the network together; empty for ordinary data and on a
// GPU. Runs the network on two small blank images if images may be that large. Errors: those of
// FasterRcnn::Create, and kInternal if the network fails.
absl::StatusOr<std::vector<std::string>> MemoryNotices(const ExperimentRun& run);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_MEMORY_NOTICES_H_
