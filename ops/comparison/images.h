// Rows of compare_with_torchvision: preprocessing of an image.

#ifndef RCNN_OPS_COMPARISON_IMAGES_H_
#define RCNN_OPS_COMPARISON_IMAGES_H_

#include "rcnn/ops/comparison/alternate.h"

namespace rcnn::ops {

// The peer is F.interpolate's operator and the normalisation of torchvision's
// detection models, as ATen operators.
void ComparePreprocess(Comparison *table);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_COMPARISON_IMAGES_H_
