// The common interface of networks that turn images into feature maps.
//
// Every backbone (zf.h, vgg_cnn_m_1024.h, vgg16.h, resnet.h, tiny_backbone.h)
// implements it, so that a feature pyramid, an RPN or a head works on any of them.
// make_backbone.h creates one from a config. Parameter names are those of
// detection/weights/names.md.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto backbone, MakeBackbone(config, /*pyramid=*/false));
//   std::vector<at::Tensor> maps = backbone->Forward(images);  // one per level
//   int64_t stride = backbone->levels().front().stride;

#ifndef RCNN_DETECTION_BACKBONE_H_
#define RCNN_DETECTION_BACKBONE_H_

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rcnn/detection/batch_map.h"

namespace rcnn::detection {

// One of a network's output maps.
struct FeatureLevel {
  int64_t channels = 0;
  // Pixels of the input per cell.
  int64_t stride = 1;
};

// Names of a backbone's modules that are frozen together, "conv1", "layer2".
using FreezableStage = std::vector<std::string>;

class Backbone : public torch::nn::Module {
 public:
  // images [B, 3, H, W] float, normalised as the weights expect -> the maps [B,
  // C_l, H_l, W_l] of levels(), finest first. On the CPU the maps are contiguous
  // for any layout of the images: on wide channels-last maps oneDNN's 3x3
  // convolutions run at half the speed, and their weight gradients at a fifth.
  // No graph is kept for frozen stages. Throws c10::Error on other shapes and on
  // images below min_side_px().
  std::vector<at::Tensor> Forward(const at::Tensor& images) const;
  // The same for a batch whose images may differ in size: one map of the batch per level. Images
  // that are moved in may be freed after the first layer.
  std::vector<BatchMap> Forward(BatchMap images) const;

  const std::vector<FeatureLevel>& levels() const { return levels_; }

  // The smallest height and width that leave at least one cell of a map.
  int64_t min_side_px() const { return min_side_px_; }

  // In order from the image upwards. Every parameter of the backbone belongs to one
  // stage.
  const std::vector<FreezableStage>& stages() const { return stages_; }

  // Freezes the first `count` stages (see module_parts.h), 0 <= count <= stages; throws
  // c10::Error otherwise.
  void FreezeStages(int64_t count);

 protected:
  Backbone(std::vector<FeatureLevel> levels, std::vector<FreezableStage> stages,
           int64_t min_side_px = 1)
      : levels_(std::move(levels)), stages_(std::move(stages)), min_side_px_(min_side_px) {}

  // Forward of images that have been checked. They are moved in, so that a backbone can free them
  // after its first layer (Conv::ForwardConsuming).
  virtual std::vector<BatchMap> Compute(BatchMap images) const = 0;

 private:
  void CheckImages(const at::Tensor& images) const;

  std::vector<FeatureLevel> levels_;
  std::vector<FreezableStage> stages_;
  int64_t min_side_px_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_BACKBONE_H_
