// Which networks several ranks can train together on parts of batches.
//
// Example: RCNN_RETURN_IF_ERROR(CheckDividedTraining(*model, /*has_parts=*/true));

#ifndef RCNN_TRAINING_STAGES_DIVIDED_TRAINING_H_
#define RCNN_TRAINING_STAGES_DIVIDED_TRAINING_H_

#include "absl/status/status.h"
#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::training {

// `has_parts`: ranks take parts of batches (update_share.h); whole batches suit every network.
// kInvalidArgument, naming the field of the model's config and what to do, for a batch norm that is
// trained, which would use the statistics of a part, and for a branch, which cannot compute a part.
// `model` has been frozen as the stage says.
absl::Status CheckDividedTraining(const detection::FasterRcnn& model, bool has_parts);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_DIVIDED_TRAINING_H_
