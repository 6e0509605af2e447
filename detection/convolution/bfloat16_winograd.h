// 3 x 3 convolution with stride 1 and padding 1 by Winograd's method, with bfloat16 products.
//
// The transforms are in float32, the transformed inputs and kernels are rounded to bfloat16, and
// products are summed in float32. Two sizes of tiles: F(4 x 4, 3 x 3) takes a quarter of the
// multiplications of the definition, F(2 x 2, 3 x 3) four ninths. On the maps of a
// ReLU the rounding error of F(4 x 4) is two to four times that of bfloat16_convolution.h (least on
// smooth maps; five times on a map of a single tile, which is mostly edge), that of F(2 x 2) at
// most 1.75 times. Transforms need AVX2: ask PanelProductAvailable() first.
//
// Kernels that are transformed in every run (WinogradWeights::kKernels) are kept in half precision
// with a power of two for each output channel (half.h). The result is that of the rounded kernels
// g' instead of g, bit for bit as if their transforms were kept. Convolution is linear in the
// kernel and |g' - g| <= max(2^-11 |g|, 2^-39 max |g|), an eighth of a rounding to bfloat16, so
// each output changes by at most 2^-11 of the convolution of |x| with |g|, besides terms of 2^-39.
// With normally distributed kernels that is 2e-4 of the result's norm, where the two roundings to
// bfloat16 of a direct product make 2.4e-3. Float32 numbers whose magnitude rounds to 2^128 become
// infinite, as they do in bfloat16; infinite and NaN kernels affect their output channel only.
//
// Source: Lavin and Gray, arXiv:1509.09308v2, Sec. 4.
//
// Example:
//   Bfloat16Winograd conv(weight.data_ptr<float>(), bias, 256, 256, /*relu=*/true,
//                         WinogradTile::kFour);
//   conv.Run(x.data_ptr<float>(), 1, 200, 272, y.data_ptr<float>());

#ifndef RCNN_DETECTION_CONVOLUTION_BFLOAT16_WINOGRAD_H_
#define RCNN_DETECTION_CONVOLUTION_BFLOAT16_WINOGRAD_H_

#include <cstdint>
#include <vector>

#include "rcnn/detection/convolution/bfloat16_panels.h"
#include "rcnn/detection/convolution/half.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/stored_panels.h"
#include "rcnn/detection/convolution/tile_grid.h"
#include "rcnn/detection/convolution/winograd_kernels.h"
#include "rcnn/detection/convolution/winograd_weights.h"

namespace rcnn::detection {

// Outputs of a tile.
enum class WinogradTile { kTwo, kFour };

class Bfloat16Winograd {
 public:
  // weight [out_channels, in_channels, 3, 3]; bias [out_channels] or null. With `stored`, the
  // panels() of an equal convolution, `weight` is not read; throws std::invalid_argument if they
  // have another size. `kept` must be kTransformed for tiles of kTwo.
  Bfloat16Winograd(const float* weight, const float* bias, int64_t out_channels,
                   int64_t in_channels, bool relu, WinogradTile tile,
                   const StoredPanels& stored = {},
                   WinogradWeights kept = WinogradWeights::kTransformed);

  // x [batch, in_channels, height, width] -> y [batch, out_channels, height, width], both without
  // gaps, and not the same. Thread-safe; uses LibTorch's threads.
  void Run(const float* x, int64_t batch, int64_t height, int64_t width, float* y) const;

  // Both as those of WinogradConvolution.
  AlignedBfloat16s TransformForRows() const;
  void RunRows(const float* x, int64_t height, int64_t width, const WinogradRows& rows, float* y,
               const Bfloat16* transformed = nullptr) const;

  // The packed weights.
  StoredPanels panels() const {
    return kept_ == WinogradWeights::kTransformed ? weight_.stored() : kept_kernels_.stored();
  }

 private:
  // What differs between the tiles. Transforms are of sixteen blocks of 4 x 4 outputs.
  struct Method {
    int64_t points;
    int64_t tiles;  // of a block
    void (*transform_kernels)(const float* kernels, int64_t count, float* transformed,
                              int64_t stride);
    WinogradKernels transforms;

    int64_t units() const { return points * tiles; }
  };
  // Halves that take the room of sixteen floats.
  static constexpr int64_t kScaleNumbers = 2 * kBfloat16Lanes;

  struct Weights;
  struct Inputs;
  class InputScratch;
  class Sums;

  static Method GetMethod(WinogradTile tile);

  int64_t NumRowPanels() const { return NumPanels(out_channels_, kBfloat16Lanes); }
  // Of a row panel, and of a column panel.
  int64_t PanelSize() const { return Bfloat16PanelSize(NumPairs(in_channels_)); }

  AlignedBfloat16s PackWeights(const float* weight, int64_t count) const;

  // Halves of a row panel of kept kernels, and of all.
  int64_t KeptPanelSize() const { return kScaleNumbers + 9 * PanelSize(); }
  int64_t KeptSize() const { return NumRowPanels() * KeptPanelSize(); }
  void PackKernelPanel(const float* weight, int64_t panel, Half* packed) const;
  AlignedBfloat16s PackKernels(const float* weight) const;

  // Row panels [first, end) of the kept kernels to weights [36, ...] with points `stride` apart.
  void TransformPanels(int64_t first, int64_t end, Bfloat16* weights, int64_t stride) const;
  AlignedBfloat16s TransformAll() const;

  void RunJob(const TileJob& job) const;
  // Each thread computes some blocks, with all of the transformed `weights`.
  void RunByBlocks(const TileJob& job, const Bfloat16* weights) const;
  // Each thread computes some outputs of a group of blocks, for which it transforms their kernels.
  void RunByOutputs(const TileJob& job) const;
  void RunGroup(const TileJob& job, int64_t part, Bfloat16* transformed) const;

  // Channels [begin, end) of the blocks of `inputs`; `begin` is even.
  void TransformInput(const TileJob& job, const Inputs& inputs, int64_t begin, int64_t end,
                      InputScratch& scratch) const;
  void Multiply(const Weights& weights, const Inputs& inputs, Sums& sums) const;
  void TransformOutput(const TileJob& job, const Weights& weights, const Inputs& inputs,
                       Sums& sums) const;

  const Bfloat16Kernels& kernels_;
  Method method_;
  int64_t out_channels_, in_channels_;
  bool relu_;
  WinogradWeights kept_;
  std::vector<float> bias_;  // [out_channels]
  // kTransformed: a matrix of row panels for each point.
  PackedPanels<Bfloat16> weight_;
  // kKernels: for each row panel the sixteen floats by which its rows are multiplied, and the
  // kernels of some pairs of channels, [9, 2, pairs, 16], after those of others; 2 are the even and
  // the odd channel.
  PackedPanels<Half> kept_kernels_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_BFLOAT16_WINOGRAD_H_
