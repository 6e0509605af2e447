// VGG_CNN_M_1024 up to conv5: the medium network of the papers' tables.
//
// Source: Chatfield et al., arXiv:1405.3531, CNN-M with 1024-way fc7; as trained in
// Caffe for Fast R-CNN: stride 16, 512 channels, pools in ceil mode, local response
// norm across 5 channels.

#ifndef RCNN_DETECTION_VGG_CNN_M_1024_H_
#define RCNN_DETECTION_VGG_CNN_M_1024_H_

#include <memory>

#include "rcnn/detection/backbone.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {

// y = x * (k + alpha / size * sum of x^2 over `size` neighbouring channels)^-beta,
// where channels that do not exist count as 0. `size` is odd. alpha 5e-4, beta
// 0.75, k 2 and size 5 in VGG_CNN_M. Differentiable, with the same bits each time on
// a GPU too.
at::Tensor AcrossChannelResponseNorm(const at::Tensor& x, int64_t size, double alpha, double beta,
                                     double k);

class VggCnnM1024 : public Backbone {
 public:
  VggCnnM1024();

 protected:
  std::vector<BatchMap> Compute(BatchMap images) const override;

 private:
  std::shared_ptr<Conv> conv1_, conv2_, conv3_, conv4_, conv5_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_VGG_CNN_M_1024_H_
