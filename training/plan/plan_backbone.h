// The backbone of a plan: what fits pretrained weights, or what the budget can train from
// random weights.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const PlanBackbone backbone, BackboneOfWeights("resnet18-f37072fd.pth"));

#ifndef RCNN_TRAINING_PLAN_PLAN_BACKBONE_H_
#define RCNN_TRAINING_PLAN_PLAN_BACKBONE_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/normalization.pb.h"

namespace rcnn::training {

struct PlanBackbone {
  // For messages: "ResNet-18".
  std::string name;
  configs::BackboneConfig config;
  configs::NormalizationConfig normalization;
  // Pixels of the network's input per cell of its map.
  double stride_px = 8;
  bool pretrained = false;
};

// ResNet of this depth with batch norms at stride 8, from random weights.
PlanBackbone RandomResNet(configs::ResNetConfig::Depth depth);

// The tiny network at stride 8, from random weights.
PlanBackbone RandomTiny();

// The ResNet of a file with torchvision's names, at stride 8, with constant batch norms and its
// first two stages frozen. kInvalidArgument for other weights; also the errors of LoadStateDict,
// and of CheckRecordedResult (base/recorded_result.h) if they are those of another run.
absl::StatusOr<PlanBackbone> BackboneOfWeights(const std::string& path);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_PLAN_BACKBONE_H_
