// 3 x 3 convolution with stride 1 and padding 1 in a quarter of the multiplications.
//
// Winograd's F(4 x 4, 3 x 3): tiles of 6 x 6 inputs and the kernels are transformed,
// multiplied point by point, which over the channels is 36 matrix products, and
// transformed back to 4 x 4 outputs. float32 on the CPU. The interpolation points are
// 0, +-sqrt(1/2), +-sqrt(2) and infinity rather than the usual 0, +-1, +-2 and
// infinity: the rounding error is then at most 7 times that of a plain convolution,
// instead of 40 times.
//
// Source: Lavin and Gray, arXiv:1509.09308v2, Sec. 4.
//
// Example:
//   WinogradConvolution conv(weight.data_ptr<float>(), bias, 256, 256, /*relu=*/true);
//   conv.Run(x.data_ptr<float>(), 1, 200, 272, y.data_ptr<float>());

#ifndef RCNN_DETECTION_CONVOLUTION_WINOGRAD_H_
#define RCNN_DETECTION_CONVOLUTION_WINOGRAD_H_

#include <cstdint>
#include <vector>

#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/stored_panels.h"
#include "rcnn/detection/convolution/tile_grid.h"
#include "rcnn/detection/convolution/winograd_kernels.h"

namespace rcnn::detection {

class WinogradConvolution {
 public:
  // weight [out_channels, in_channels, 3, 3]; bias [out_channels] or null.
  // PanelProductAvailable() must hold. With `stored`, the panels() of an equal convolution at the
  // same instruction level, `weight` is not read; throws std::invalid_argument if they have another
  // size.
  WinogradConvolution(const float* weight, const float* bias, int64_t out_channels,
                      int64_t in_channels, bool relu, const StoredPanels& stored = {});

  // x [batch, in_channels, height, width] -> y [batch, out_channels, height, width],
  // both without gaps, and not the same. Thread-safe; uses LibTorch's threads.
  void Run(const float* x, int64_t batch, int64_t height, int64_t width, float* y) const;

  // The packed weights.
  StoredPanels panels() const { return weight_.stored(); }

 private:
  class Scratch;

  AlignedFloats PackWeights(const float* weight, int64_t count) const;

  void TransformInput(const float* x, const TileGrid& tiles,
                      const std::vector<TileSegment>& segments, Scratch& scratch) const;
  // Sums of the outputs from `first` on, as many as scratch has room for.
  void Multiply(int64_t first, Scratch& scratch) const;
  // The same outputs.
  void TransformOutput(const TileGrid& tiles, const std::vector<TileSegment>& segments,
                       int64_t first, Scratch& scratch, float* y) const;

  const PanelKernel& kernel_;
  const WinogradKernels& transforms_;
  int64_t out_channels_, in_channels_;
  bool relu_;
  std::vector<float> bias_;     // [out_channels]
  PackedPanels<float> weight_;  // a matrix of row panels for each of the 36 points
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_WINOGRAD_H_
