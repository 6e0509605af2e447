// A layer's map for all images of a batch, without padding.
//
// Images of different sizes are padded to one tensor only where they are loaded. A bias, a norm and
// a ReLU would fill that padding with values, and a 3 x 3 kernel would carry them into the images:
// an image's results would depend on its neighbours in the batch. So a network computes each image
// of such a batch in its own size, as if it were alone, and a convolution spends nothing on
// padding. Only a trained batch norm looks at all images at once: its statistics are those of all
// their cells. Where all images have one size, they stay one tensor.
//
// The alternative is one padded tensor in which every layer sets the padding to zero again. Every
// layer, pool, norm and operator would need the sizes of the images, forward and backward, and so
// would every kernel that is to skip the padding. On a GPU it would launch fewer kernels.
//
// Shapes: P parts; B_p images in part p, C channels, H_p, W_p cells. Either P is 1, or every B_p
// is 1. The images of the batch are those of the parts, in order.
//
// Example:
//   BatchMap x = CutImages(padded, sizes);
//   x = ForEachPart(x, [](const at::Tensor& part) { return part.relu(); });

#ifndef RCNN_DETECTION_BATCH_MAP_H_
#define RCNN_DETECTION_BATCH_MAP_H_

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "rcnn/ops/boxes.h"

namespace rcnn::detection {

struct BatchMap {
  BatchMap() = default;
  // Of images of one size: [B, C, H, W]. Implicit, as such a tensor is a batch.
  BatchMap(at::Tensor map) : parts{std::move(map)} {}

  std::vector<at::Tensor> parts;  // [B_p, C, H_p, W_p]
};

// Applies function(part) -> tensor to each part.
template <typename Function>
BatchMap ForEachPart(const BatchMap& x, const Function& function) {
  BatchMap y;
  y.parts.reserve(x.parts.size());
  for (const at::Tensor& part : x.parts) y.parts.push_back(function(part));
  return y;
}

// The sum of two maps with the same parts.
BatchMap operator+(const BatchMap& a, const BatchMap& b);

// Views of the images of a padded tensor [B, C, H, W]: the first sizes[b].height rows and
// sizes[b].width columns of image b, B >= 1. Throws c10::Error if there are not B sizes or one is
// not in the tensor.
BatchMap CutImages(const at::Tensor& padded, const std::vector<ops::ImageSize>& sizes);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_BATCH_MAP_H_
