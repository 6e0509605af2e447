// Runs a trained detector over a dataset.
//
// inference_options.h says how images go through the networks, and what ranks share.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(eval::Detections found, DetectAll({model, model}, dataset, options));

#ifndef RCNN_TRAINING_STAGES_DETECT_ALL_H_
#define RCNN_TRAINING_STAGES_DETECT_ALL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/eval/detections.h"
#include "rcnn/training/stages/inference_options.h"

namespace rcnn::training {

struct DetectionNetworks {
  // The network with the RPN; null: stored proposals.
  std::shared_ptr<detection::FasterRcnn> rpn;
  // The network with the head. If RPN and head share a backbone, the same object as
  // `rpn`, so that the backbone runs once.
  std::shared_ptr<detection::FasterRcnn> detector;
};

// Returns the detections of all images with their COCO ids; of several ranks, on rank 0. Errors:
// those of ProposeAll (propose_all.h).
absl::StatusOr<eval::Detections> DetectAll(const DetectionNetworks& networks,
                                           std::shared_ptr<const data::Dataset> dataset,
                                           const InferenceOptions& options);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_DETECT_ALL_H_
