// What each kind of training stage computes of a batch: the loss to be lowered,
// and the numbers that people watch.
//
// Example:
//   const ComputeLosses losses = RpnTraining(model, features);
//   losses(batch, generator).total.backward();

#ifndef RCNN_TRAINING_TRAINER_LOSSES_H_
#define RCNN_TRAINING_TRAINER_LOSSES_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rcnn/data/loader/batch.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/training/trainer/frozen_features.h"

namespace rcnn::training {

struct StepLosses {
  at::Tensor total;  // scalar
  // Summands of `total` by name: "rpn_objectness", "rpn_box", "head_classes", "head_box".
  std::vector<std::pair<std::string, at::Tensor>> parts;
  // "anchors_positive", "anchors_negative", "rois_positive", "rois_negative".
  std::vector<std::pair<std::string, double>> counts;
};

// Random draws come from the generator only. Throws c10::Error on values that are
// not finite and on invalid ground truth.
using ComputeLosses = std::function<StepLosses(const data::Batch&, const at::Generator&)>;

// Features of a batch by `frozen`, or, if that is null, by the model, with gradients.
// The RPN alone (steps 1 and 3).
ComputeLosses RpnTraining(std::shared_ptr<detection::FasterRcnn> model,
                          std::shared_ptr<FrozenFeatures> frozen);

// The head alone, on the proposals of the batch (steps 2 and 4). RoIs are chosen in
// pixels of the images as stored, as in py-faster-rcnn, where it matters for
// inclusive boxes.
ComputeLosses FastRcnnTraining(std::shared_ptr<detection::FasterRcnn> model,
                               std::shared_ptr<FrozenFeatures> frozen);

// Both, on the RPN's own proposals.
ComputeLosses JointTraining(std::shared_ptr<detection::FasterRcnn> model);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_LOSSES_H_
