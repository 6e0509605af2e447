// The sum of a map and a coarser one, whose cells are repeated: the top-down path of a pyramid.
//
// LibTorch writes the repeated cells to memory and reads them again, at the finest level of a
// pyramid as many bytes as the sum itself, and finds the coarse cell of each fine one by itself, in
// the gradient, too. Here, where the map has twice the rows and columns, one pass reads the coarse
// cells and changes the sum. The bits are the same.
//
// Example:
//   AddEnlarged(top, map);

#ifndef RCNN_DETECTION_ENLARGED_SUM_H_
#define RCNN_DETECTION_ENLARGED_SUM_H_

#include <ATen/core/Tensor.h>

namespace rcnn::detection {

// map [N, C, H, W] += top [N, C, h, w], enlarged by at::upsample_nearest2d, in place.
// Differentiable; once, where it is one pass. Throws c10::Error on another N or C, and as these
// operators do.
void AddEnlarged(const at::Tensor& top, at::Tensor& map);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_ENLARGED_SUM_H_
