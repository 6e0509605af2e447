// Batch norms that are trained on parts of batches (update_share.h): they use the statistics of
// the whole batch, which the ranks exchange in the forward and in the backward pass.
//
// The ranks then depend on each other inside a step, where they cannot agree on an error: if one
// fails, the connection between them breaks.
//
// Example:
//   const bool in_step = ShareNorms(*model, ranks, share);

#ifndef RCNN_TRAINING_TRAINER_SHARED_NORMS_H_
#define RCNN_TRAINING_TRAINER_SHARED_NORMS_H_

#include <memory>

#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/trainer/update_share.h"

namespace rcnn::training {

// Sums float32 tensors over the ranks that share this rank's batch. A collective of all ranks,
// including those with other batches, in the forward and in the backward pass. Throws
// OtherRankFailed.
detection::PartsSum MakePartsSum(std::shared_ptr<RankGroup> ranks, const UpdateShare& share);

// Makes the trained norms of `model` sum over the ranks. Returns whether there are any.
bool ShareNorms(detection::FasterRcnn& model, const std::shared_ptr<RankGroup>& ranks,
                const UpdateShare& share);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_SHARED_NORMS_H_
