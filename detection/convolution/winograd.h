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
#include "rcnn/detection/convolution/tile_input.h"
#include "rcnn/detection/convolution/winograd_kernels.h"
#include "rcnn/detection/convolution/winograd_weights.h"

namespace rcnn::detection {

// What the argument `weight` of WinogradConvolution::ForOneRun is.
enum class KernelOrder {
  kForward,  // the weight of the convolution, [out_channels, in_channels, 3, 3]
  // The weight [in_channels, out_channels, 3, 3] of another convolution, of which this one computes
  // the gradient of the input from that of the output: each kernel is turned by 180 degrees.
  kInputGradient,
};

class WinogradConvolution {
 public:
  // weight [out_channels, in_channels, 3, 3]; bias [out_channels] or null.
  // PanelProductAvailable() must hold. With `stored`, the panels() of an equal convolution at the
  // same instruction level, `weight` is not read; throws std::invalid_argument if they have another
  // size.
  WinogradConvolution(const float* weight, const float* bias, int64_t out_channels,
                      int64_t in_channels, bool relu, const StoredPanels& stored = {},
                      WinogradWeights kept = WinogradWeights::kTransformed);

  // For a single call of Run, as in training: memory for the weights comes from the heap, which
  // keeps it, and kernels are transformed for as many outputs at a time as stay in the caches. The
  // same bits.
  static WinogradConvolution ForOneRun(const float* weight, KernelOrder order, const float* bias,
                                       int64_t out_channels, int64_t in_channels, bool relu);

  // x [batch, in_channels, height, width] -> y [batch, out_channels, height, width],
  // both without gaps, and not the same. `mask`, of y's shape: where it is at most 0, the result is
  // 0, as in the gradient of a ReLU; may be null. With `tiles` no others of y are written, and
  // those have the same bits. Thread-safe; uses LibTorch's threads.
  void Run(const float* x, int64_t batch, int64_t height, int64_t width, float* y,
           const float* mask = nullptr, const ChosenTiles& tiles = nullptr) const;

  // All kernels, transformed, for several calls of RunRows; null where they are kept so.
  AlignedFloats TransformForRows() const;

  // Some rows of the result of Run for one image, the same bits: x [in_channels, rows.input.count,
  // width] -> y [out_channels, rows.output.count, width], of which rows begin to end - 1 are
  // written. `transformed`: what TransformForRows returned; null: kept kernels are transformed
  // here.
  void RunRows(const float* x, int64_t height, int64_t width, const WinogradRows& rows, float* y,
               const float* transformed = nullptr) const;

  // The packed weights.
  StoredPanels panels() const { return weight_.stored(); }

 private:
  struct Weights;
  struct Inputs;
  class Sums;

  // Without weights.
  WinogradConvolution(const float* bias, int64_t out_channels, int64_t in_channels, bool relu,
                      WinogradWeights kept);

  int64_t NumRowPanels() const { return NumPanels(out_channels_, kernel_.rows); }
  int64_t RowPanelSize() const { return in_channels_ * kernel_.rows; }

  // Of weight_.
  int64_t NumWeights() const;
  AlignedFloats PackTransformed(const float* weight) const;
  // Fills `packed` with NumWeights() floats, and returns it.
  AlignedFloats PackKernels(const float* weight, KernelOrder order, AlignedFloats packed) const;

  // Row panels [first, end) of the kept kernels to weights [36, ...] with points `stride` apart.
  void TransformPanels(int64_t first, int64_t end, float* weights, int64_t stride) const;
  AlignedFloats TransformAll() const;

  void RunJob(const TileJob& job) const;
  // Each thread computes some tiles, with all of the transformed `weights`.
  void RunByTiles(const TileJob& job, const float* weights) const;
  // Each thread computes some outputs of a group of tiles, for which it transforms their kernels.
  void RunByOutputs(const TileJob& job) const;
  void RunGroup(const TileJob& job, int64_t block, float* transformed) const;

  // Channels [begin, end) of the tiles of `inputs`.
  void TransformInput(const TileJob& job, const Inputs& inputs, int64_t begin, int64_t end,
                      TileInput& tile_input) const;
  void Multiply(const Weights& weights, const Inputs& inputs, Sums& sums) const;
  void TransformOutput(const TileJob& job, const Weights& weights, const Inputs& inputs,
                       Sums& sums) const;

  const PanelKernel& kernel_;
  const WinogradKernels& transforms_;
  int64_t out_channels_, in_channels_;
  bool relu_;
  WinogradWeights kept_;
  std::vector<float> bias_;  // [out_channels]
  // kTransformed: a matrix of row panels for each of the 36 points. kKernels: a matrix of elements
  // [9, in_channels, kernel_.rows] for each row panel.
  PackedPanels<float> weight_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_WINOGRAD_H_
