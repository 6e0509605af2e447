// Exact results where the input of a convolution is all zeros, and tiles that are.
//
// A fast convolution adds and subtracts whole tiles, so a patch of zeros in a tile with
// other values gives the bias plus rounding noise. If the bias is zero, the following
// ReLU then passes gradients at random, while the exact sum, 0, passes none. This
// happens in the padding of batches with images of different sizes.
//
// And much of a gradient may be zero: that of a detector's loss comes from some RoIs and anchors.
// Tiles of zeros need not be convolved.
//
// Example:
//   const ZeroPixels zeros(x, {batch, in_channels, height, width});
//   convolution.Run(x, batch, height, width, y);
//   zeros.FixPatches(bias, out_channels, y);

#ifndef RCNN_DETECTION_CONVOLUTION_ZERO_PATCHES_H_
#define RCNN_DETECTION_CONVOLUTION_ZERO_PATCHES_H_

#include <cstdint>
#include <vector>

namespace rcnn::detection {

struct MapShape {
  int64_t batch, channels, height, width;
};

// The pixels of maps that are 0, of either sign, in all channels.
class ZeroPixels {
 public:
  // Reads only as many channels of x, of the given shape, as it takes to find other values.
  ZeroPixels(const float* x, const MapShape& shape);

  // Sets y [batch, out_channels, height, width] to bias [out_channels], or to 0 if that is
  // null, wherever the 3 x 3 patch of x, with zeros around it, is 0 in all channels.
  void FixPatches(const float* bias, int64_t out_channels, float* y) const;

  // The tiles (tile_grid.h) that have a value other than 0 at most `halo` pixels away, ascending.
  std::vector<int64_t> FindTiles(int64_t halo) const;

 private:
  // Whether a pixel of rows [top, bottom) and columns [left, right) of an image is not 0; parts
  // outside the map are.
  bool HasValue(int64_t image, int64_t top, int64_t bottom, int64_t left, int64_t right) const;
  void FixRow(int64_t image, int64_t row, const float* bias, int64_t out_channels, float* y) const;

  MapShape shape_;
  std::vector<uint8_t> zero_;  // [batch, height, width]
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_ZERO_PATCHES_H_
