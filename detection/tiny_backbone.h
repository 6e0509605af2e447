// A small network that trains from random weights on a CPU in minutes, for
// generated shapes, tests and first experiments.
//
// Four strides of 2, each a 3x3 convolution followed by a residual one, all with
// group norms, which need no batch and no pretrained statistics: conv1, norm1, ...,
// conv8, norm8; 0.84 million parameters with 32 channels at the first stride.

#ifndef RCNN_DETECTION_TINY_BACKBONE_H_
#define RCNN_DETECTION_TINY_BACKBONE_H_

#include <memory>
#include <vector>

#include "rcnn/detection/backbone.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {

class TinyBackbone : public Backbone {
 public:
  // `channels` at stride 2, a multiple of 8; 2, 4 and 6 times as many further up.
  // last_stride: 2, or 1 for a map of stride 8 with the same layers.
  explicit TinyBackbone(int64_t channels, int64_t last_stride = 2);

 protected:
  std::vector<BatchMap> Compute(BatchMap images) const override;

 private:
  std::vector<std::shared_ptr<Conv>> convs_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_TINY_BACKBONE_H_
