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
//   result is bit-identical for any number of threads.
//
// Why it is fast: a quarter of the multiplications, as in winograd.cc, and Gt ... G is applied once
// per kernel, not per tile. A block is as many tiles as kMaxFloats hold, so S is read and written
// once per block and not once per tile.
//
// Source: Lavin and Gray, arXiv:1509.09308v2, Sec. 4: the derivative of its Eq. 8.

#include "rcnn/detection/convolution/winograd_weight_gradient.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "rcnn/base/instruction_level.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/tile_grid.h"
#include "rcnn/detection/convolution/winograd_kernels.h"

namespace rcnn::detection {
namespace {

// Tiles of one channel that are transformed together: they stay in the cache.
constexpr int64_t kTiles = 64;
static_assert(kTiles % kTileGroup == 0);
// Limit on the floats of transformed tiles in memory; at least one block of tiles is.
constexpr int64_t kMaxFloats = 8 << 20;

// Maps [batch, channels, height, width] that become panels of `width` channels.
class Panels {
 public:
  using Transform = void (*)(const float* tiles, int64_t stride, float* transformed,
                             int64_t transformed_stride);

  // Holds up to `max_tiles` tiles at a time.
  Panels(const float* maps, int64_t channels, int64_t width, const TileGrid& grid, int64_t halo,
         Transform transform, int64_t max_tiles)
      : width_(width),
        kernels_(*GetWinogradGradientKernels(CurrentInstructionLevel())),
        lanes_(NumPanels(width, kernels_.lanes) * kernels_.lanes),
        point_stride_(lanes_ * kTiles + 16),
        maps_(maps),
        channels_(channels),
        grid_(grid),
        halo_(halo),
        transform_(transform),
        panel_size_(NumPanels(width * max_tiles, 16) * 16 + 16),
        packed_(AllocateFloats(kTilePoints * count() * panel_size_)) {}

  int64_t count() const { return NumPanels(channels_, width_); }

  // Tiles begin to end - 1 of all channels.
  void Pack(int64_t begin, int64_t end) {
    at::parallel_for(0, count(), 1, [&](int64_t first, int64_t last) {
      TileCutter cutter(kTiles);
      const AlignedFloats points = AllocateFloats(kTilePoints * point_stride_);
      std::fill_n(&points[0], kTilePoints * point_stride_, 0.0f);
      for (int64_t panel = first; panel < last; ++panel) {
        for (int64_t tile = begin; tile < end; tile += kTiles) {
          PackTiles(panel, tile, std::min(tile + kTiles, end), tile - begin, cutter, &points[0]);
        }
      }
    });
  }

  // [tiles, width] of a point, at a multiple of 64 bytes.
  const float* Get(int64_t point, int64_t panel) const {
    return &packed_[(point * count() + panel) * panel_size_];
  }

 private:
  void PackTiles(int64_t panel, int64_t begin, int64_t end, int64_t offset, TileCutter& cutter,
                 float* points) {
    const std::vector<TileSegment> segments = grid_.Segments(begin, end);
    for (int64_t c = 0; c < width_; ++c) {
      if (panel * width_ + c >= channels_) {
        for (int64_t t = 0; t < kTilePoints; ++t) {
          std::fill_n(points + t * point_stride_ + c * kTiles, kTiles, 0.0f);
        }
        continue;
      }
      cutter.Cut(maps_, channels_, panel * width_ + c, grid_, segments, halo_);
      for (int64_t p = 0; p < end - begin; p += kTileGroup) {
        transform_(cutter.tiles() + p, cutter.stride(), points + c * kTiles + p, point_stride_);
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

  int64_t width_;  // channels of a panel
  const WinogradGradientKernels& kernels_;
  int64_t lanes_;  // the same in multiples of the kernels' lanes
  // An odd number of cache lines between points: at a power of two they would map to the same
  // cache sets.
  int64_t point_stride_;
  const float* maps_;
  int64_t channels_;
  const TileGrid& grid_;
  int64_t halo_;
  Transform transform_;
  int64_t panel_size_;    // [max_tiles, width] and a margin
  AlignedFloats packed_;  // [36, count(), panel_size_]
};

// sums [36, rows of panels, columns of panels] of `depth` tiles, added to what is there
// unless it is the first block.
void Multiply(const PanelKernel& kernel, const Panels& outputs, const Panels& inputs, int64_t depth,
              bool first, float* sums) {
  const int64_t stride = inputs.count() * kPanelColumns;
  const int64_t grain = std::max<int64_t>(1, 1024 / inputs.count());
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
                            float* dw) {
  const TileGrid grid(shape.batch, shape.height, shape.width);
  if (grid.total == 0) {
    std::fill_n(dw, 9 * shape.out_channels * shape.in_channels, 0.0f);
    return;
  }
  const int64_t of_a_tile = kTilePoints * (shape.in_channels + shape.out_channels);
  const int64_t blocks = NumPanels(grid.total, std::max(kTiles, kMaxFloats / of_a_tile));
  const int64_t tiles = NumPanels(grid.total, blocks);
  const InstructionLevel level = CurrentInstructionLevel();
  const PanelKernel& kernel = CurrentPanelKernel();
  Panels outputs(dy, shape.out_channels, kernel.rows, grid, /*halo=*/0,
                 GetWinogradGradientKernels(level)->transform_output, tiles);
  Panels inputs(x, shape.in_channels, kPanelColumns, grid, /*halo=*/1,
                GetWinogradKernels(level)->transform_input, tiles);
  const int64_t rows = outputs.count() * kernel.rows, columns = inputs.count() * kPanelColumns;
  const AlignedFloats sums = AllocateFloats(kTilePoints * rows * columns);
  for (int64_t begin = 0; begin < grid.total; begin += tiles) {
    const int64_t end = std::min(begin + tiles, grid.total);
    outputs.Pack(begin, end);
    inputs.Pack(begin, end);
    Multiply(kernel, outputs, inputs, end - begin, begin == 0, &sums[0]);
  }
  TransformSums(&sums[0], rows, columns, shape, dw);
}

}  // namespace rcnn::detection
