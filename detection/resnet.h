// ResNet-18, 34, 50 and 101 as backbones: the C4 map, or C2..C5 for a pyramid.
//
// Source: He et al., arXiv:1512.03385; names and strides as in torchvision (see
// residual_layer.h).

#ifndef RCNN_DETECTION_RESNET_H_
#define RCNN_DETECTION_RESNET_H_

#include <memory>
#include <vector>

#include "rcnn/detection/backbone.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/residual_layer.h"

namespace rcnn::detection {

struct ResNetOptions {
  // 18, 34, 50 or 101.
  int64_t depth = 50;
  NormOptions norm;
  int64_t conv1_stride = 2;
  bool stem_pool = true;
  // Strides of layer1..layer4.
  std::vector<int64_t> layer_strides = {1, 2, 2, 2};
  // C2, C3, C4, C5; otherwise layer3's C4 alone, without layer4.
  bool pyramid = false;
};

class ResNet : public Backbone {
 public:
  explicit ResNet(const ResNetOptions& options);

 protected:
  std::vector<BatchMap> Compute(BatchMap images) const override;

 private:
  ResNetOptions options_;
  std::shared_ptr<Conv> conv1_;
  std::vector<std::shared_ptr<ResidualLayer>> layers_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_RESNET_H_
