// The batch norms that a training changes, for errors of what cannot train them.
//
// Example:
//   const std::optional<TrainedBatchNorm> norm = FindTrainedBatchNorm(*model);
//   if (norm.has_value()) Use(norm->field, norm->name);

#ifndef RCNN_TRAINING_STAGES_TRAINED_BATCH_NORM_H_
#define RCNN_TRAINING_STAGES_TRAINED_BATCH_NORM_H_

#include <optional>
#include <string>

#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::training {

struct TrainedBatchNorm {
  std::string name;   // "backbone.bn1"
  std::string field;  // of the config, that chooses it: "model.backbone.resnet.norm"
};

// The first one of `model`, which has been frozen as its stage says; not set if there is none.
std::optional<TrainedBatchNorm> FindTrainedBatchNorm(const detection::FasterRcnn& model);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_TRAINED_BATCH_NORM_H_
