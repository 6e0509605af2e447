// Feature pyramid: brings the strong features of coarse maps to the fine maps.
//
// Source: Lin et al., arXiv:1612.03144, Fig. 3: 1x1 lateral convolutions, nearest-
// neighbour upsampling and addition, 3x3 output convolutions; P6 is every second
// cell of P5 (a 1x1 max pool of stride 2), for the RPN only.
//
// Example:
//   Fpn fpn(resnet->levels(), {});
//   std::vector<at::Tensor> p = fpn.Forward(resnet->Forward(images));  // P2..P6

#ifndef RCNN_DETECTION_FPN_H_
#define RCNN_DETECTION_FPN_H_

#include <memory>
#include <vector>

#include "rcnn/detection/backbone.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {

struct FpnOptions {
  int64_t channels = 256;
  NormOptions norm;
  // Adds a map of twice the coarsest stride, P6.
  bool last_level_max_pool = true;
};

class Fpn : public torch::nn::Module {
 public:
  // `inputs`: C2, C3, ...; the strides double.
  Fpn(const std::vector<FeatureLevel>& inputs, const FpnOptions& options);

  // C2, C3, ... [B, C_l, H_l, W_l] -> P2, P3, ... [B, channels, H_l, W_l] and, with
  // last_level_max_pool, one more. The maps may be of any sizes; move them in to free each
  // after its last use. Throws c10::Error on another number of maps.
  std::vector<at::Tensor> Forward(std::vector<at::Tensor> maps) const;
  // The same for a batch whose images may differ in size.
  std::vector<BatchMap> Forward(std::vector<BatchMap> maps) const;

  // The levels that Forward returns.
  const std::vector<FeatureLevel>& levels() const { return levels_; }
  // Number of levels for RoI pooling: all except the one that last_level_max_pool adds.
  int64_t num_roi_levels() const { return static_cast<int64_t>(lateral_.size()); }

 private:
  FpnOptions options_;
  std::vector<FeatureLevel> levels_;
  std::vector<std::shared_ptr<Conv>> lateral_, output_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_FPN_H_
