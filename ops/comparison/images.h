// Rows of compare_with_torchvision: preprocessing of an image.

#ifndef RCNN_OPS_COMPARISON_IMAGES_H_
#define RCNN_OPS_COMPARISON_IMAGES_H_

#include "rcnn/ops/comparison/alternate.h"

namespace rcnn::ops {

// Against what F.interpolate does, and the normalisation of torchvision's
// detection models, as ATen's operators.
void ComparePreprocess(Comparison *table);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_COMPARISON_IMAGES_H_
