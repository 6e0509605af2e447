// Exact results where the input of a convolution is all zeros.
//
// A fast convolution adds and subtracts whole tiles, so a patch of zeros in a tile with
// other values gives the bias plus rounding noise. If the bias is zero, the following
// ReLU then passes gradients at random, while the exact sum, 0, passes none. This
// happens in the padding of batches with images of different sizes.
//
// Example:
//   convolution.Run(x, batch, height, width, y);
//   FixZeroPatches(x, {batch, in_channels, height, width}, bias, out_channels, y);

#ifndef RCNN_DETECTION_CONVOLUTION_ZERO_PATCHES_H_
#define RCNN_DETECTION_CONVOLUTION_ZERO_PATCHES_H_

#include <cstdint>

namespace rcnn::detection {

struct MapShape {
  int64_t batch, channels, height, width;
};

// Sets y [batch, out_channels, height, width] to bias [out_channels], or to 0 if that is
// null, wherever the 3 x 3 patch of x, of the given shape and with zeros around it, is 0
// in all channels. Reads only as many channels of x as it takes to find other values.
void FixZeroPatches(const float* x, const MapShape& shape, const float* bias, int64_t out_channels,
                    float* y);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_ZERO_PATCHES_H_
