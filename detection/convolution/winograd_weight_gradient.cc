// The idea: winograd.cc computes Y = At [(G g Gt) . (Bt d B)] A, linear in g. Its derivative with
// respect to g, for a gradient dY of the outputs, summed over all P tiles of all images, is
//
//   dg = Gt [ sum over tiles (A dY At) . (Bt d B) ] G
//
// and over the channels the sum is, for each of the 36 points t, a matrix product whose inner
// dimension is the tiles:
//
//   S[t] [K, C] = sum over blocks  W[t] [K, p] V[t] [p, C]      W = A dY At, V = Bt d B
//
// Invariants:
//   Panels holds W, or V, of one block of tiles: per point and panel of channels a matrix
//   [tiles, channels], as MultiplyPanels reads it; channels beyond the last are zero.
//   S is accumulated block by block in the order of the tiles, and a thread owns rows of S: the
//   result is bit-identical for any number of threads. A block begins at a multiple of kPanelChunk
//   tiles, so it is that of any other size of the blocks, too.
//
// Why it is fast: a quarter of the multiplications, as in winograd.cc, and Gt ... G is applied once
// per kernel, not per tile. S is read and written once per block, W and V are written and read
// once. So a block has about as many floats of W and V as S has, within limits: where S stays in
// the caches, W and V do so, too.
//
// Source: Lavin and Gray, arXiv:1509.09308v2, Sec. 4: the derivative of its Eq. 8.

#include "rcnn/detection/convolution/winograd_weight_gradient.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "rcnn/base/instruction_level.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/tile_grid.h"
#include "rcnn/detection/convolution/tile_input.h"
#include "rcnn/detection/convolution/winograd_kernels.h"

namespace rcnn::detection {
namespace {

// Tiles of one channel that are transformed together: they stay in the cache.
constexpr int64_t kTiles = 64;
static_assert(kTiles % kTileGroup == 0 && kTiles % kPanelChunk == 0);
// Limits on the floats of a block's transformed tiles; at least kTiles tiles are in a block.
constexpr int64_t kMinFloats = 1 << 20;
constexpr int64_t kMaxFloats = 8 << 20;
// Steps over the depth of a tile of products that are worth a thread.
constexpr int64_t kTaskDepth = 4096;

enum class Maps { kInputs, kOutputGradients };

// Maps [batch, channels, height, width] that become panels of `width` channels.
class Panels {
 public:
  // Holds up to `max_tiles` tiles at a time.
  Panels(Maps kind, const float* maps, int64_t channels, int64_t width, const TileGrid& grid,
         int64_t max_tiles)
      : kind_(kind),
        width_(width),
        transforms_(*GetWinogradKernels(CurrentInstructionLevel())),
        kernels_(*GetWinogradGradientKernels(CurrentInstructionLevel())),
        lanes_(NumPanels(width, kernels_.lanes) * kernels_.lanes),
        point_stride_(lanes_ * kTiles + 16),
        maps_(maps),
        channels_(channels),
        grid_(grid),
        panel_size_(NumPanels(width * max_tiles, 16) * 16 + 16),
        packed_(AllocateFloats(kTilePoints * count() * panel_size_)) {}

  int64_t count() const { return NumPanels(channels_, width_); }

  // Tiles begin to end - 1 of all channels. A thread has all tiles of a panel, because lanes beyond
  // a panel write into the next pixel.
  void Pack(int64_t begin, int64_t end) {
    at::parallel_for(0, count(), 1, [&](int64_t first, int64_t last) {
      Scratch scratch = {TileInput(transforms_, kTiles), TileCutter(kTiles),
                         AllocateFloats(kTilePoints * point_stride_)};
      for (int64_t panel = first; panel < last; ++panel) {
        for (int64_t tile = begin; tile < end; tile += kTiles) {
          PackTiles(panel, tile, std::min(tile + kTiles, end), tile - begin, scratch);
        }
      }
    });
  }

  // [tiles, width] of a point, at a multiple of 64 bytes.
  const float* Get(int64_t point, int64_t panel) const {
    return &packed_[(point * count() + panel) * panel_size_];
  }

 private:
  // A thread's memory.
  struct Scratch {
    TileInput input;
    TileCutter cutter;
    AlignedFloats points;  // [36, lanes_, kTiles]
  };

  void PackTiles(int64_t panel, int64_t begin, int64_t end, int64_t offset, Scratch& scratch) {
    const std::vector<TileSegment> segments = grid_.Segments(begin, end);
    float* points = &scratch.points[0];
    if (kind_ == Maps::kInputs) scratch.input.SetTiles(grid_, segments);
    for (int64_t c = 0; c < width_; ++c) {
      const int64_t channel = panel * width_ + c;
      if (channel < channels_) {
        TransformChannel(channel, segments, end - begin, scratch, points + c * kTiles);
        continue;
      }
      for (int64_t t = 0; t < kTilePoints; ++t) {
        std::fill_n(points + t * point_stride_ + c * kTiles, kTiles, 0.0f);
      }
    }
    for (int64_t t = 0; t < kTilePoints; ++t) {
      // The next pixel overwrites what lanes beyond the panel write.
      float* packed = &packed_[(t * count() + panel) * panel_size_ + offset * width_];
      for (int64_t c = 0; c < width_; c += kernels_.lanes) {
        kernels_.interleave(points + t * point_stride_ + c * kTiles, kTiles, end - begin,
                            packed + c, width_);
      }
    }
  }

  // The tiles of `segments`, `count` of them, to points [36, count], point_stride_ apart.
  void TransformChannel(int64_t channel, const std::vector<TileSegment>& segments, int64_t count,
                        Scratch& scratch, float* points) const {
    if (kind_ == Maps::kInputs) {
      scratch.input.SetChannel(maps_, channels_, channel);
      for (int64_t p = 0; p < count; p += kTileGroup) {
        scratch.input.Transform(p / kTileGroup, points + p, point_stride_);
      }
      return;
    }
    scratch.cutter.Cut(maps_, channels_, channel, grid_, segments, /*halo=*/0);
    for (int64_t p = 0; p < count; p += kTileGroup) {
      kernels_.transform_output(scratch.cutter.tiles() + p, scratch.cutter.stride(), points + p,
                                point_stride_);
    }
  }

  Maps kind_;
  int64_t width_;  // channels of a panel
  const WinogradKernels& transforms_;
  const WinogradGradientKernels& kernels_;
  int64_t lanes_;  // the width in multiples of the kernels' lanes
  // An odd number of cache lines between points: at a power of two they would map to the same
  // cache sets.
  int64_t point_stride_;
  const float* maps_;
  int64_t channels_;
  const TileGrid& grid_;
  int64_t panel_size_;    // [max_tiles, width] and a margin
  AlignedFloats packed_;  // [36, count(), panel_size_]
};

// sums [36, rows of panels, columns of panels] of `depth` tiles, added to what is there
// unless it is the first block.
void Multiply(const PanelKernel& kernel, const Panels& outputs, const Panels& inputs, int64_t depth,
              bool first, float* sums) {
  const int64_t stride = inputs.count() * kPanelColumns;
  const int64_t grain = std::max<int64_t>(1, kTaskDepth / (inputs.count() * depth));
  at::parallel_for(0, kTilePoints * outputs.count(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t point = i / outputs.count(), row = i % outputs.count();
      for (int64_t column = 0; column < inputs.count(); ++column) {
        float* tile = sums + i * kernel.rows * stride + column * kPanelColumns;
        TileOptions options;
        if (!first) options.add = tile, options.add_stride = stride;
        MultiplyPanels(kernel, outputs.Get(point, row), inputs.Get(point, column), depth, options,
                       tile, stride);
      }
    }
  });
}

// Tiles of a block: as many in each, but for the last one.
int64_t ChooseBlock(const ConvolutionShape& shape, int64_t total) {
  const int64_t of_sums = kTilePoints * shape.in_channels * shape.out_channels;
  const int64_t of_a_tile = kTilePoints * (shape.in_channels + shape.out_channels);
  const int64_t most =
      std::max(kTiles, std::clamp(of_sums, kMinFloats, kMaxFloats) / of_a_tile / kTiles * kTiles);
  return NumPanels(NumPanels(total, NumPanels(total, most)), kTiles) * kTiles;
}

void TransformSums(const float* sums, int64_t rows, int64_t columns, const ConvolutionShape& shape,
                   float* dw) {
  const WinogradGradientKernels& transforms =
      *GetWinogradGradientKernels(CurrentInstructionLevel());
  at::parallel_for(0, shape.out_channels, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> kernels(9 * transforms.lanes);
    for (int64_t k = begin; k < end; ++k) {
      for (int64_t c = 0; c < shape.in_channels; c += transforms.lanes) {
        transforms.transform_kernels(sums + k * columns + c, rows * columns, kernels.data());
        const int64_t count = std::min(transforms.lanes, shape.in_channels - c);
        std::copy_n(kernels.data(), 9 * count, dw + 9 * (k * shape.in_channels + c));
      }
    }
  });
}

}  // namespace

void WinogradWeightGradient(const float* x, const float* dy, const ConvolutionShape& shape,
                            float* dw, const ChosenTiles& tiles) {
  const TileGrid grid(shape.batch, shape.height, shape.width, tiles);
  if (grid.total == 0) {
    std::fill_n(dw, 9 * shape.out_channels * shape.in_channels, 0.0f);
    return;
  }
  const int64_t block = ChooseBlock(shape, grid.total);
  const PanelKernel& kernel = CurrentPanelKernel();
  Panels outputs(Maps::kOutputGradients, dy, shape.out_channels, kernel.rows, grid, block);
  Panels inputs(Maps::kInputs, x, shape.in_channels, kPanelColumns, grid, block);
  const int64_t rows = outputs.count() * kernel.rows, columns = inputs.count() * kPanelColumns;
  const AlignedFloats sums = AllocateFloats(kTilePoints * rows * columns);
  for (int64_t begin = 0; begin < grid.total; begin += block) {
    const int64_t end = std::min(begin + block, grid.total);
    outputs.Pack(begin, end);
    inputs.Pack(begin, end);
    Multiply(kernel, outputs, inputs, end - begin, begin == 0, &sums[0]);
  }
  TransformSums(&sums[0], rows, columns, shape, dw);
}

}  // namespace rcnn::detection
