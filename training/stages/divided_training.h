// Which networks several ranks can train together.
//
// Example: RCNN_RETURN_IF_ERROR(CheckDividedTraining(*model, /*has_parts=*/true));

#ifndef RCNN_TRAINING_STAGES_DIVIDED_TRAINING_H_
#define RCNN_TRAINING_STAGES_DIVIDED_TRAINING_H_

#include "absl/status/status.h"
#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::training {

// kInvalidArgument, naming the field of the model's config and what to do, if several ranks would
// train another network than one process does:
//
//   a batch norm that is trained   its running statistics would be those of the rank's own images
//   a branch, if `has_parts`       it cannot compute a part of a batch (update_share.h)
//
// `model` has been frozen as the stage says.
absl::Status CheckDividedTraining(const detection::FasterRcnn& model, bool has_parts);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_DIVIDED_TRAINING_H_
