// The gradient of the weights of a 3 x 3 convolution with stride 1 and padding 1, in a
// quarter of the multiplications.
//
// winograd.h's method transposed: tiles of 6 x 6 inputs and of 4 x 4 gradients of outputs
// are transformed, multiplied point by point, which over the tiles is 36 matrix products,
// and the sums transformed back to 3 x 3 kernels. float32 on the CPU.
//
// Source: Lavin and Gray, arXiv:1509.09308v2, Sec. 4: the derivative of its Eq. 8.

#ifndef RCNN_DETECTION_CONVOLUTION_WINOGRAD_WEIGHT_GRADIENT_H_
#define RCNN_DETECTION_CONVOLUTION_WINOGRAD_WEIGHT_GRADIENT_H_

#include <cstdint>

#include "rcnn/detection/convolution/tile_grid.h"

namespace rcnn::detection {

struct ConvolutionShape {
  int64_t batch, in_channels, out_channels, height, width;
};

// x [batch, in_channels, height, width], dy [batch, out_channels, height, width]
// -> dw [out_channels, in_channels, 3, 3], all without gaps. PanelProductAvailable() must
// hold. Bit-identical for any number of threads. `tiles`: those outside which dy is 0
// (tile_grid.h).
void WinogradWeightGradient(const float* x, const float* dy, const ConvolutionShape& shape,
                            float* dw, const ChosenTiles& tiles = nullptr);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_WINOGRAD_WEIGHT_GRADIENT_H_
