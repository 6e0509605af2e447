// Which networks several ranks can train together on parts of batches (update_share.h).
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckDividedTraining(*model, training, /*ranks=*/4));

#ifndef RCNN_TRAINING_STAGES_DIVIDED_TRAINING_H_
#define RCNN_TRAINING_STAGES_DIVIDED_TRAINING_H_

#include "absl/status/status.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::training {

// Whole batches suit every network. kInvalidArgument, naming the field and what to do, if ranks
// take parts of batches and
//
//   a batch norm is trained, and a rank may have no image of a batch: all exchange statistics
//   the model has a branch, which cannot compute a part
//
// `model` has been frozen as the stage says. ranks >= 1.
absl::Status CheckDividedTraining(const detection::FasterRcnn& model,
                                  const configs::TrainingConfig& training, int ranks);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_DIVIDED_TRAINING_H_
