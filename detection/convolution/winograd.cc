#include "rcnn/detection/convolution/winograd.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>

#include "rcnn/detection/convolution/winograd_tile.h"

namespace rcnn::detection {
namespace {

// Tiles that one thread has in work: their transforms stay in its share of the cache.
constexpr int64_t kMaxTiles = 64;
constexpr int64_t kKernelsPerTask = 1024;

// count floats of a row from column x on; those outside of [0, width), or of no row, are 0.
void CopyPadded(const float* row, int64_t width, int64_t x, int64_t count, float* out) {
  const int64_t begin = row == nullptr ? count : std::clamp<int64_t>(-x, 0, count);
  const int64_t end = row == nullptr ? count : std::clamp<int64_t>(width - x, begin, count);
  std::fill(out, out + begin, 0.0f);
  if (end > begin) std::memcpy(out + begin, row + x + begin, (end - begin) * sizeof(float));
  std::fill(out + end, out + count, 0.0f);
}

}  // namespace

// The tiles of a batch, in order of picture, row and column.
struct WinogradConvolution::Tiles {
  int64_t height, width;  // of a picture, in pixels
  int64_t rows, columns;  // of tiles in a picture
  int64_t total;

  Tiles(int64_t batch, int64_t height, int64_t width)
      : height(height),
        width(width),
        rows((height + kTileOut - 1) / kTileOut),
        columns((width + kTileOut - 1) / kTileOut),
        total(batch * rows * columns) {}

  std::vector<Segment> Segments(int64_t begin, int64_t end) const;
};

// Tiles of a block that lie side by side.
struct WinogradConvolution::Segment {
  int64_t image, row, column;  // of the first
  int64_t count;
  int64_t offset;  // of the first, in the block
};

std::vector<WinogradConvolution::Segment> WinogradConvolution::Tiles::Segments(int64_t begin,
                                                                               int64_t end) const {
  std::vector<Segment> segments;
  for (int64_t tile = begin; tile < end;) {
    const int64_t column = tile % columns, row = tile / columns;
    const int64_t count = std::min(columns - column, end - tile);
    segments.push_back({row / rows, row % rows, column, count, tile - begin});
    tile += count;
  }
  return segments;
}

// What a thread needs for a block of up to `tiles` tiles, a multiple of kPanelColumns.
class WinogradConvolution::Scratch {
 public:
  Scratch(int64_t in_channels, int64_t out_channels, int64_t tiles)
      : tiles(tiles),
        sum_rows(NumPanels(out_channels, kPanelRows) * kPanelRows),
        row(AllocateFloats(kTileOut * (tiles + 2 * kTileLanes))),
        cut(AllocateFloats(kTilePoints * cut_stride)),
        inputs(AllocateFloats(kTilePoints * in_channels * tiles)),
        sums(AllocateFloats(kTilePoints * sum_rows * tiles)),
        outputs(AllocateFloats(kTileOut * kTileOut * tiles)) {
    std::fill(&row[0], &row[kTileOut * (tiles + 2 * kTileLanes)], 0.0f);
    std::fill(&cut[0], &cut[kTilePoints * cut_stride], 0.0f);
  }

  int64_t panels() const { return tiles / kPanelColumns; }

  const int64_t tiles;
  const int64_t sum_rows;
  const int64_t cut_stride = kMaxTiles + kTileLanes;
  AlignedFloats row;      // a row of pixels, with margins
  AlignedFloats cut;      // [36, cut_stride], the tiles of one channel
  AlignedFloats inputs;   // [36, panels, in_channels, kPanelColumns]
  AlignedFloats sums;     // [36, sum_rows, tiles]
  AlignedFloats outputs;  // [4, 4 tiles], one channel
};

WinogradConvolution::WinogradConvolution(const float* weight, const float* bias,
                                         int64_t out_channels, int64_t in_channels, bool relu)
    : out_channels_(out_channels), in_channels_(in_channels), relu_(relu), bias_(out_channels) {
  if (bias != nullptr) bias_.assign(bias, bias + out_channels);
  const int64_t size = out_channels * in_channels;
  const int64_t packed = NumPanels(out_channels, kPanelRows) * kPanelRows * in_channels;
  const AlignedFloats transformed = AllocateFloats(kTilePoints * size);
  at::parallel_for(0, size, kKernelsPerTask, [&](int64_t begin, int64_t end) {
    TransformKernels(weight + 9 * begin, end - begin, &transformed[begin], size);
  });
  weight_ = AllocateFloats(kTilePoints * packed);
  at::parallel_for(0, kTilePoints, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      PackRows(&transformed[t * size], out_channels, in_channels, in_channels,
               &weight_[t * packed]);
    }
  });
}

void WinogradConvolution::TransformInput(const float* x, const Tiles& tiles,
                                         const std::vector<Segment>& segments,
                                         Scratch& scratch) const {
  const int64_t panel = in_channels_ * kPanelColumns;
  for (int64_t c = 0; c < in_channels_; ++c) {
    for (const Segment& segment : segments) {
      const float* plane = x + (segment.image * in_channels_ + c) * tiles.height * tiles.width;
      for (int64_t i = 0; i < kTileIn; ++i) {
        const int64_t y = kTileOut * segment.row - 1 + i;
        const bool inside = y >= 0 && y < tiles.height;
        CopyPadded(inside ? plane + y * tiles.width : nullptr, tiles.width,
                   kTileOut * segment.column - 1, kTileOut * segment.count + 2, &scratch.row[0]);
        CutIntoTiles(&scratch.row[0], segment.count,
                     &scratch.cut[kTileIn * i * scratch.cut_stride + segment.offset],
                     scratch.cut_stride);
      }
    }
    for (int64_t p = 0; p < scratch.tiles; p += kTileLanes) {
      const int64_t at = p / kPanelColumns * panel + c * kPanelColumns + p % kPanelColumns;
      TransformInputTiles(&scratch.cut[p], scratch.cut_stride, &scratch.inputs[at],
                          scratch.panels() * panel);
    }
  }
}

void WinogradConvolution::Multiply(Scratch& scratch) const {
  const int64_t row_panel = in_channels_ * kPanelRows, panel = in_channels_ * kPanelColumns;
  const float* weight = &weight_[0];
  for (int64_t t = 0; t < kTilePoints; ++t) {
    const float* inputs = &scratch.inputs[t * scratch.panels() * panel];
    for (int64_t k = 0; k < scratch.sum_rows; k += kPanelRows, weight += row_panel) {
      float* sums = &scratch.sums[(t * scratch.sum_rows + k) * scratch.tiles];
      for (int64_t p = 0; p < scratch.panels(); ++p) {
        MultiplyPanels(weight, inputs + p * panel, in_channels_, {}, sums + p * kPanelColumns,
                       scratch.tiles);
      }
    }
  }
}

void WinogradConvolution::TransformOutput(const Tiles& tiles, const std::vector<Segment>& segments,
                                          Scratch& scratch, float* y) const {
  const int64_t row_stride = kTileOut * scratch.tiles;
  for (int64_t k = 0; k < out_channels_; ++k) {
    for (int64_t p = 0; p < scratch.tiles; p += kTileLanes) {
      TransformOutputTiles(&scratch.sums[k * scratch.tiles + p], scratch.sum_rows * scratch.tiles,
                           bias_[k], relu_, &scratch.outputs[kTileOut * p], row_stride);
    }
    for (const Segment& segment : segments) {
      const int64_t begin = kTileOut * segment.row, x = kTileOut * segment.column;
      const int64_t rows = std::min(kTileOut, tiles.height - begin);
      const int64_t width = std::min(kTileOut * segment.count, tiles.width - x);
      float* plane = y + (segment.image * out_channels_ + k) * tiles.height * tiles.width;
      for (int64_t i = 0; i < rows; ++i) {
        std::memcpy(plane + (begin + i) * tiles.width + x,
                    &scratch.outputs[i * row_stride + kTileOut * segment.offset],
                    width * sizeof(float));
      }
    }
  }
}

void WinogradConvolution::Run(const float* x, int64_t batch, int64_t height, int64_t width,
                              float* y) const {
  const Tiles tiles(batch, height, width);
  if (tiles.total == 0) return;
  const int64_t threads = std::max(1, at::get_num_threads());
  // As many blocks for each thread, of a multiple of a panel's tiles.
  const int64_t rounds = NumPanels(tiles.total, threads * kMaxTiles);
  const int64_t block =
      NumPanels(NumPanels(tiles.total, threads * rounds), kPanelColumns) * kPanelColumns;
  at::parallel_for(0, NumPanels(tiles.total, block), 1, [&](int64_t begin, int64_t end) {
    Scratch scratch(in_channels_, out_channels_, block);
    for (int64_t i = begin; i < end; ++i) {
      const auto segments = tiles.Segments(i * block, std::min((i + 1) * block, tiles.total));
      TransformInput(x, tiles, segments, scratch);
      Multiply(scratch);
      TransformOutput(tiles, segments, scratch, y);
    }
  });
}

}  // namespace rcnn::detection
