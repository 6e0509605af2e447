// The 3 x 3 patches around some cells of a map, as the rows of a matrix. A convolution at
// only these cells is a product with this matrix, with 9 C numbers per cell instead of the
// whole map.
//
// Example:
//   // Row m is at::conv2d(map, weight, bias, 1, 1) at cell m.
//   at::Tensor y = at::linear(ExtractPatches(map, cells), weight.flatten(1), bias);

#ifndef RCNN_DETECTION_CONVOLUTION_PATCHES_H_
#define RCNN_DETECTION_CONVOLUTION_PATCHES_H_

#include <ATen/core/Tensor.h>

namespace rcnn::detection {

// map [B, C, H, W] float32 or float64 on the CPU, cells [M] int64: (b H + y) W + x.
// Returns [M, 9 C], in the order of a convolution's weight: C, row, column, with zeros
// outside the map. Differentiable once. Throws c10::Error on another shape, dtype or device
// and on a cell that is not in the map.
at::Tensor ExtractPatches(const at::Tensor& map, const at::Tensor& cells);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PATCHES_H_
