// Zeiler and Fergus's network up to conv5, the fast backbone of the papers.
//
// Source: arXiv:1311.2901; as trained in Caffe for Faster R-CNN: stride 16, 256
// channels, pools in ceil mode, local response norm within channels.

#ifndef RCNN_DETECTION_ZF_H_
#define RCNN_DETECTION_ZF_H_

#include <memory>

#include "rcnn/detection/backbone.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {

// y = x * (1 + alpha / 9 * sum of x^2 over 3 x 3 cells of the channel)^-beta, where
// cells outside the map count as 0. alpha 5e-5, beta 0.75 in ZF. Differentiable.
at::Tensor WithinChannelResponseNorm(const at::Tensor& x, double alpha, double beta);

class Zf : public Backbone {
 public:
  Zf();

 protected:
  std::vector<BatchMap> Compute(BatchMap images) const override;

 private:
  std::shared_ptr<Conv> conv1_, conv2_, conv3_, conv4_, conv5_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_ZF_H_
