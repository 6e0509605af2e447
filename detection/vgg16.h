// VGG16 up to conv5_3: the accurate backbone of the papers.
//
// Source: Simonyan and Zisserman, arXiv:1409.1556, configuration D; stride 16, 512
// channels. The pool after conv5_3 is replaced by RoI pooling.

#ifndef RCNN_DETECTION_VGG16_H_
#define RCNN_DETECTION_VGG16_H_

#include <memory>
#include <vector>

#include "rcnn/detection/backbone.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {

class Vgg16 : public Backbone {
 public:
  // `ceil_mode`: pools round their output size up, as in Caffe.
  explicit Vgg16(bool ceil_mode);

 protected:
  std::vector<BatchMap> Compute(BatchMap images) const override;

 private:
  bool ceil_mode_;
  std::vector<std::vector<std::shared_ptr<Conv>>> blocks_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_VGG16_H_
