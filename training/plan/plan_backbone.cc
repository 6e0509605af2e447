#include "rcnn/training/plan/plan_backbone.h"

#include <array>
#include <cstddef>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/recorded_result.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/detection/weights/weights_file.h"
#include "rcnn/detection/weights/wrapped_names.h"

namespace rcnn::training {
namespace {

using configs::ResNetConfig;
using detection::weights::StateDict;

configs::NormalizationConfig Normalization(double scale, const std::array<double, 3>& mean,
                                           const std::array<double, 3>& std) {
  configs::NormalizationConfig normalization;
  if (scale != 1) normalization.set_scale(scale);
  for (const double value : mean) normalization.add_mean(value);
  for (const double value : std) normalization.add_std(value);
  return normalization;
}

configs::NormalizationConfig PlainNormalization() {
  return Normalization(1, {127.5, 127.5, 127.5}, {64, 64, 64});
}

// Number of blocks in layer3, and whether a block has three convolutions.
struct ResNetShape {
  size_t blocks = 0;
  bool bottleneck = false;
};

ResNetShape FindShape(const StateDict& state) {
  ResNetShape shape;
  for (int block = 0; block < 100; ++block) {
    if (state.Find(absl::StrCat("layer3.", block, ".conv1.weight")) == nullptr) break;
    ++shape.blocks;
  }
  shape.bottleneck = state.Find("layer3.0.conv3.weight") != nullptr;
  return shape;
}

absl::StatusOr<ResNetConfig::Depth> FindDepth(const ResNetShape& shape) {
  static const std::map<std::pair<size_t, bool>, ResNetConfig::Depth> depths = {
      {{2, false}, ResNetConfig::RESNET_18},
      {{6, false}, ResNetConfig::RESNET_34},
      {{6, true}, ResNetConfig::RESNET_50},
      {{23, true}, ResNetConfig::RESNET_101},
  };
  const auto found = depths.find({shape.blocks, shape.bottleneck});
  if (found != depths.end()) return found->second;
  return absl::InvalidArgumentError(
      "not the weights of a ResNet-18, 34, 50 or 101 with torchvision's names (layer3.0.conv1."
      "weight, ...); for other networks give an experiment with --config and "
      "--set=pretrained.file");
}

ResNetConfig StrideEight(ResNetConfig::Depth depth) {
  ResNetConfig resnet;
  resnet.set_depth(depth);
  resnet.set_layer3_stride(1);
  return resnet;
}

}  // namespace

PlanBackbone RandomResNet(ResNetConfig::Depth depth) {
  PlanBackbone backbone;
  backbone.name = absl::StrCat("ResNet-", static_cast<int>(depth));
  *backbone.config.mutable_resnet() = StrideEight(depth);
  backbone.config.mutable_resnet()->mutable_norm()->mutable_batch_norm();
  backbone.normalization = PlainNormalization();
  return backbone;
}

PlanBackbone RandomTiny() {
  PlanBackbone backbone;
  backbone.name = "the tiny network";
  backbone.config.mutable_tiny()->set_last_stride(1);
  backbone.normalization = PlainNormalization();
  return backbone;
}

absl::StatusOr<PlanBackbone> BackboneOfWeights(const std::string& path) {
  RCNN_RETURN_IF_ERROR(CheckRecordedResult(path), "--pretrained");
  RCNN_ASSIGN_OR_RETURN(StateDict state, detection::weights::LoadStateDict(path), "--pretrained");
  state = detection::weights::UnwrapNames(std::move(state)).state;
  RCNN_ASSIGN_OR_RETURN(const ResNetConfig::Depth depth, FindDepth(FindShape(state)),
                        absl::StrCat("--pretrained: ", path));
  PlanBackbone backbone;
  backbone.name = absl::StrCat("ResNet-", static_cast<int>(depth));
  *backbone.config.mutable_resnet() = StrideEight(depth);
  backbone.config.set_frozen_stages(2);
  backbone.normalization = Normalization(1.0 / 255, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225});
  backbone.pretrained = true;
  return backbone;
}

}  // namespace rcnn::training
