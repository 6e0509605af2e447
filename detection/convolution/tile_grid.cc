#include "rcnn/detection/convolution/tile_grid.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "rcnn/detection/convolution/masked_copy.h"
#include "rcnn/detection/convolution/winograd_kernels.h"

namespace rcnn::detection {
namespace {

// count floats of a row from column x on; those outside [0, width), or without a row, are
// 0.
void CopyPadded(const float* row, int64_t width, int64_t x, int64_t count, float* out) {
  const int64_t begin = row == nullptr ? count : std::clamp<int64_t>(-x, 0, count);
  const int64_t end = row == nullptr ? count : std::clamp<int64_t>(width - x, begin, count);
  std::fill(out, out + begin, 0.0f);
  if (end > begin) std::memcpy(out + begin, row + x + begin, (end - begin) * sizeof(float));
  std::fill(out + end, out + count, 0.0f);
}

// Asks for the cache lines of rows that are written soon. Inlined, because GCC drops calls of
// functions that do nothing but prefetch.
inline __attribute__((always_inline)) void Prefetch(const float* rows, int64_t count, int64_t width,
                                                    int64_t stride) {
  constexpr int64_t kLine = 16;
  for (int64_t i = 0; i < count; ++i, rows += stride) {
    for (int64_t x = 0; x < width; x += kLine) {
      __builtin_prefetch(rows + x, /*rw=*/1, /*locality=*/2);
    }
  }
}

// Where the plane of a channel begins; `index` counts the channels of all images.
int64_t Plane(int64_t index, const StoredRows& stored, const TileGrid& grid) {
  return index * stored.count * grid.width;
}

// How many of the chosen tiles from index `first` on, at most `limit`, follow each other.
int64_t CountAdjacent(const std::vector<int64_t>& chosen, int64_t first, int64_t limit) {
  int64_t count = 1;
  while (count < limit && chosen[first + count] == chosen[first] + count) ++count;
  return count;
}

}  // namespace

TileGrid::TileGrid(int64_t batch, int64_t height, int64_t width, ChosenTiles chosen_tiles)
    : height(height),
      width(width),
      rows((height + kTileOut - 1) / kTileOut),
      columns((width + kTileOut - 1) / kTileOut),
      chosen(std::move(chosen_tiles)),
      total(chosen != nullptr ? static_cast<int64_t>(chosen->size()) : batch * rows * columns),
      input_rows{0, height},
      output_rows{0, height} {}

std::vector<TileSegment> TileGrid::Segments(int64_t begin, int64_t end) const {
  std::vector<TileSegment> segments;
  for (int64_t tile = begin; tile < end;) {
    const int64_t place = chosen != nullptr ? (*chosen)[tile] : tile;
    const int64_t column = place % columns, row = place / columns;
    int64_t count = std::min(columns - column, end - tile);
    if (chosen != nullptr) count = CountAdjacent(*chosen, tile, count);
    segments.push_back({row / rows, row % rows, column, count, tile - begin});
    tile += count;
  }
  return segments;
}

TileJob JobOfMaps(const float* x, int64_t batch, int64_t height, int64_t width, float* y,
                  ChosenTiles chosen) {
  const TileGrid grid(batch, height, width, std::move(chosen));
  return {x, grid, 0, grid.total, y};
}

TileJob JobOfRows(const float* x, int64_t height, int64_t width, const WinogradRows& rows,
                  float* y) {
  TileGrid grid(1, height, width);
  grid.input_rows = rows.input;
  grid.output_rows = rows.output;
  return {x, grid, rows.begin / kTileOut * grid.columns,
          NumPanels(rows.end, kTileOut) * grid.columns, y};
}

TileCutter::TileCutter(int64_t max_tiles)
    : stride_(max_tiles + kTileLanes),
      row_(AllocateFloats(kTileOut * (max_tiles + 2 * kTileLanes))),
      cut_(AllocateFloats(kTilePoints * stride_)) {
  std::fill(&row_[0], &row_[kTileOut * (max_tiles + 2 * kTileLanes)], 0.0f);
  std::fill(&cut_[0], &cut_[kTilePoints * stride_], 0.0f);
}

void TileCutter::Cut(const float* maps, int64_t channels, int64_t channel, const TileGrid& grid,
                     const std::vector<TileSegment>& segments, int64_t halo) {
  const int64_t rows = halo > 0 ? kTileIn : kTileOut;
  for (const TileSegment& segment : segments) {
    const float* plane = maps + Plane(segment.image * channels + channel, grid.input_rows, grid);
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t y = kTileOut * segment.row - halo + i;
      const bool inside = y >= 0 && y < grid.height;
      const int64_t stored = y - grid.input_rows.first;
      CopyPadded(inside ? plane + stored * grid.width : nullptr, grid.width,
                 kTileOut * segment.column - halo, kTileOut * segment.count + 2, &row_[0]);
      CutIntoTiles(&row_[0], segment.count, &cut_[kTileIn * i * stride_ + segment.offset], stride_);
    }
  }
}

int64_t TilesPerBlock(int64_t total, int64_t threads, int64_t limit) {
  const int64_t rounds = NumPanels(total, threads * limit);
  return NumPanels(NumPanels(total, threads * rounds), kPanelColumns) * kPanelColumns;
}

void WriteTiles(const float* outputs, int64_t stride, int64_t channels, int64_t channel,
                const TileGrid& grid, const std::vector<TileSegment>& segments, float* maps,
                const float* mask) {
  for (const TileSegment& segment : segments) {
    const int64_t begin = kTileOut * segment.row, x = kTileOut * segment.column;
    const int64_t rows = std::min(kTileOut, grid.height - begin);
    const int64_t width = std::min(kTileOut * segment.count, grid.width - x);
    float* plane = maps + Plane(segment.image * channels + channel, grid.output_rows, grid);
    float* to = plane + (begin - grid.output_rows.first) * grid.width + x;
    // Callers write one channel after the other.
    if (channel + 1 < channels) {
      const int64_t next = Plane(1, grid.output_rows, grid);
      Prefetch(to + next, rows, width, grid.width);
      if (mask != nullptr) Prefetch(mask + (to - maps) + next, rows, width, grid.width);
    }
    for (int64_t i = 0; i < rows; ++i, to += grid.width) {
      const float* from = outputs + i * stride + kTileOut * segment.offset;
      if (mask != nullptr) {
        CopyMasked(from, mask + (to - maps), width, to);
      } else {
        std::memcpy(to, from, width * sizeof(float));
      }
    }
  }
}

}  // namespace rcnn::detection
