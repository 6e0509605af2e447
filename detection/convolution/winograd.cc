// The idea: a tile of 4 x 4 outputs depends on 6 x 6 inputs d and a kernel g, and is a product of
// polynomials in two variables. Evaluated at 6 x 6 points, the product takes 36 multiplications
// instead of the 16 * 9 = 144 of the convolution itself.
//
//   Y = At [ (G g Gt) . (Bt d B) ] A            Lavin and Gray, Eq. 8; . is element by element
//
// Summed over C input channels the middle is, for each of the 36 points t, a matrix product
//
//   M[t] [K, P] = U[t] [K, C] V[t] [C, P]       U = G g Gt, V = Bt d B, P tiles
//
// and G, B and A (winograd_kernels.cc) are applied once per kernel, per input and per output. There
// are C K P multiplications per point but only (C + K) P transforms, so the products take most of
// the time.
//
// Layout and invariants:
//   U  weight_, computed once: row panels of outputs, point by point
//   V  Scratch::inputs, column panels of kPanelColumns tiles
//   M  Scratch::sums, of kSumPanels row panels at a time
//   A block is at most kMaxTiles tiles of any rows and images, cut into segments of a row. Columns
//   of V beyond the last tile are computed and never written out; rows of U beyond K are zero.
//   A thread owns its block from input to output, so no sum depends on the number of threads.
//
// Why it is fast: V and M of a block, 36 * 32 floats = 4.5 KiB per channel each, stay in a core's
// share of the cache between the three steps, and U is streamed once per block. The transforms work
// on sixteen tiles at once, one per lane.
//
// Source: Lavin and Gray, arXiv:1509.09308v2, Sec. 4.

#include "rcnn/detection/convolution/winograd.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "rcnn/detection/convolution/tile_grid.h"
#include "rcnn/detection/convolution/tile_input.h"
#include "rcnn/detection/convolution/winograd_kernels.h"

namespace rcnn::detection {
namespace {

// Tiles that one thread processes at a time: their transforms stay in its share of the cache.
constexpr int64_t kMaxTiles = 32;
// Row panels of outputs whose sums are computed together, for the same reason.
constexpr int64_t kSumPanels = 8;
// A cache line. Points are one more line apart than they need: at a power of two they would map to
// the same cache sets.
constexpr int64_t kLine = 16;

}  // namespace

// A thread's memory for a block of up to `tiles` tiles, a multiple of kPanelColumns.
class WinogradConvolution::Scratch {
 public:
  Scratch(const WinogradKernels& kernels, int64_t in_channels, int64_t sum_rows, int64_t tiles)
      : tiles(tiles),
        sum_rows(sum_rows),
        input_stride(in_channels * tiles + kLine),
        sum_stride(sum_rows * tiles + kLine),
        tile_input(kernels, kMaxTiles),
        inputs(AllocateFloats(kTilePoints * input_stride)),
        sums(AllocateFloats(kTilePoints * sum_stride)),
        outputs(AllocateFloats(kTileOut * kTileOut * tiles)) {}

  int64_t panels() const { return tiles / kPanelColumns; }

  const int64_t tiles;
  const int64_t sum_rows;
  // Floats between points.
  const int64_t input_stride, sum_stride;
  TileInput tile_input;
  AlignedFloats inputs;   // [36, panels, in_channels, kPanelColumns]
  AlignedFloats sums;     // [36, sum_rows, tiles]
  AlignedFloats outputs;  // [4, 4 tiles], one channel
};

WinogradConvolution::WinogradConvolution(const float* weight, const float* bias,
                                         int64_t out_channels, int64_t in_channels, bool relu,
                                         const StoredPanels& stored)
    : kernel_(CurrentPanelKernel()),
      transforms_(*GetWinogradKernels(CurrentInstructionLevel())),
      out_channels_(out_channels),
      in_channels_(in_channels),
      relu_(relu),
      bias_(out_channels) {
  if (bias != nullptr) bias_.assign(bias, bias + out_channels);
  const int64_t panels = NumPanels(out_channels, kernel_.rows);
  const int64_t count = kTilePoints * panels * kernel_.rows * in_channels;
  weight_ = stored.data != nullptr ? PackedPanels<float>(stored, count)
                                   : PackedPanels<float>(PackWeights(weight, count), count);
}

AlignedFloats WinogradConvolution::PackWeights(const float* weight, int64_t count) const {
  const int64_t panel_rows = kernel_.rows, panels = NumPanels(out_channels_, panel_rows);
  const int64_t panel_size = panel_rows * in_channels_;
  AlignedFloats packed = AllocateFloats(count);
  const int64_t stride = NumPanels(panel_size, 2 * kLine) * 2 * kLine + kLine;
  at::parallel_for(0, panels, 1, [&](int64_t begin, int64_t end) {
    const AlignedFloats transformed = AllocateFloats(kTilePoints * stride);
    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t rows = std::min(panel_rows, out_channels_ - panel * panel_rows);
      TransformKernels(weight + 9 * panel * panel_size, rows * in_channels_, &transformed[0],
                       stride);
      for (int64_t t = 0; t < kTilePoints; ++t) {
        PackRows(&transformed[t * stride], rows, in_channels_, in_channels_, panel_rows,
                 &packed[(t * panels + panel) * panel_size]);
      }
    }
  });
  return packed;
}

void WinogradConvolution::TransformInput(const float* x, const TileGrid& tiles,
                                         const std::vector<TileSegment>& segments,
                                         Scratch& scratch) const {
  const int64_t panel = in_channels_ * kPanelColumns;
  scratch.tile_input.SetTiles(tiles, segments);
  for (int64_t c = 0; c < in_channels_; ++c) {
    scratch.tile_input.SetChannel(x, in_channels_, c);
    for (int64_t p = 0; p < scratch.panels(); ++p) {
      scratch.tile_input.Transform(p, &scratch.inputs[p * panel + c * kPanelColumns],
                                   scratch.input_stride);
    }
  }
}

void WinogradConvolution::Multiply(int64_t first, Scratch& scratch) const {
  const int64_t rows = kernel_.rows, panels = NumPanels(out_channels_, rows);
  const int64_t row_panel = in_channels_ * rows, panel = in_channels_ * kPanelColumns;
  const int64_t end = std::min(first + scratch.sum_rows, panels * rows);
  for (int64_t t = 0; t < kTilePoints; ++t) {
    const float* inputs = &scratch.inputs[t * scratch.input_stride];
    for (int64_t k = first; k < end; k += rows) {
      const float* weight = &weight_[(t * panels + k / rows) * row_panel];
      float* sums = &scratch.sums[t * scratch.sum_stride + (k - first) * scratch.tiles];
      for (int64_t p = 0; p < scratch.panels(); ++p) {
        MultiplyPanels(kernel_, weight, inputs + p * panel, in_channels_, {},
                       sums + p * kPanelColumns, scratch.tiles);
      }
    }
  }
}

void WinogradConvolution::TransformOutput(const TileGrid& tiles,
                                          const std::vector<TileSegment>& segments, int64_t first,
                                          Scratch& scratch, float* y) const {
  const int64_t row_stride = kTileOut * scratch.tiles;
  for (int64_t k = first; k < std::min(first + scratch.sum_rows, out_channels_); ++k) {
    const float* sums = &scratch.sums[(k - first) * scratch.tiles];
    for (int64_t p = 0; p < scratch.tiles; p += kTileGroup) {
      transforms_.transform_output(sums + p, scratch.sum_stride, bias_[k], relu_,
                                   &scratch.outputs[kTileOut * p], row_stride);
    }
    WriteTiles(&scratch.outputs[0], row_stride, out_channels_, k, tiles, segments, y);
  }
}

void WinogradConvolution::Run(const float* x, int64_t batch, int64_t height, int64_t width,
                              float* y) const {
  const TileGrid tiles(batch, height, width);
  if (tiles.total == 0) return;
  const int64_t block = TilesPerBlock(tiles.total, std::max(1, at::get_num_threads()), kMaxTiles);
  const int64_t sum_rows = kSumPanels * kernel_.rows;
  at::parallel_for(0, NumPanels(tiles.total, block), 1, [&](int64_t begin, int64_t end) {
    Scratch scratch(transforms_, in_channels_, sum_rows, block);
    for (int64_t i = begin; i < end; ++i) {
      const auto segments = tiles.Segments(i * block, std::min((i + 1) * block, tiles.total));
      TransformInput(x, tiles, segments, scratch);
      for (int64_t k = 0; k < out_channels_; k += sum_rows) {
        Multiply(k, scratch);
        TransformOutput(tiles, segments, k, scratch, y);
      }
    }
  });
}

}  // namespace rcnn::detection
