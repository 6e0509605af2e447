// Mean and deviation of the box targets of a dataset's anchors, used to normalise
// the RPN's targets in training.
//
// Source: the MATLAB code published with Ren et al., arXiv:1506.01497v3
// (proposal_prepare_image_roidb): one mean and one deviation for each of (dx, dy, dw,
// dh), over the positive anchors of all sizes and shapes together.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(RpnBoxStatistics statistics,
//                         MeasureRpnBoxTargets(*model, *dataset, transform));
//   model->rpn()->SetBoxNormalization(statistics.mean, statistics.std);

#ifndef RCNN_TRAINING_STAGES_RPN_BOX_STATISTICS_H_
#define RCNN_TRAINING_STAGES_RPN_BOX_STATISTICS_H_

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "rcnn/configs/transform.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::training {

// [4] float32 each.
struct RpnBoxStatistics {
  at::Tensor mean;
  at::Tensor std;
};

// Uses all positive anchors, not a sample, of all images, each alone in its batch
// and at its last scale, and of their mirror images if `transform` mirrors. Decodes
// no image. `model` must have an RPN and is unchanged afterwards. With fewer than two
// targets, or if all have the same dx, dy, dw or dh, the mean is 0 and the deviation 1.
//
// kInvalidArgument, naming the image, if it becomes too large.
absl::StatusOr<RpnBoxStatistics> MeasureRpnBoxTargets(detection::FasterRcnn& model,
                                                      const data::Dataset& dataset,
                                                      const configs::TransformConfig& transform);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_RPN_BOX_STATISTICS_H_
