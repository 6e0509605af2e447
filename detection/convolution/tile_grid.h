// Splits maps into the 4 x 4 tiles of winograd.h; internal to this folder.
//
// Example:
//   const TileGrid grid(batch, height, width);
//   TileCutter cutter(/*max_tiles=*/64);
//   cutter.Cut(maps, channels, channel, grid, grid.Segments(0, 64), /*halo=*/1);
//   Use(cutter.tiles(), cutter.stride());

#ifndef RCNN_DETECTION_CONVOLUTION_TILE_GRID_H_
#define RCNN_DETECTION_CONVOLUTION_TILE_GRID_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "rcnn/detection/convolution/panel_product.h"

namespace rcnn::detection {

// Adjacent tiles of one row.
struct TileSegment {
  int64_t image, row, column;  // of the first
  int64_t count;
  int64_t offset;  // of the first, among those asked for
};

// The rows of maps that are in memory.
struct StoredRows {
  int64_t first, count;
};

// Some of the tiles of a batch by their place in it, ascending; null: all.
using ChosenTiles = std::shared_ptr<const std::vector<int64_t>>;

// The tiles of a batch, in order of image, row and column. Tiles at the right and lower
// edge may extend beyond the map.
struct TileGrid {
  // Of maps that are in memory as a whole.
  TileGrid(int64_t batch, int64_t height, int64_t width, ChosenTiles chosen = nullptr);

  // The tiles `begin` to `end` - 1, cut into segments.
  std::vector<TileSegment> Segments(int64_t begin, int64_t end) const;

  int64_t height, width;  // of a map, in pixels
  int64_t rows, columns;  // of tiles in a map
  ChosenTiles chosen;
  int64_t total;                       // of those that are chosen
  StoredRows input_rows, output_rows;  // of the maps that are read and written
};

// A part of a map: the outputs of rows `begin` to `end` - 1, where `begin` is a multiple of four
// and so is `end` unless it is the height.
struct WinogradRows {
  // The rows that are in memory; of the input at least begin - 1 to end, where the map has them.
  StoredRows input, output;
  int64_t begin, end;
};

// The tiles `begin` to `end` - 1 of a convolution that reads x and writes y. `mask`, of y's shape:
// where it is at most 0, y becomes 0, as in the gradient of a ReLU; null: nothing.
struct TileJob {
  const float* x;
  TileGrid grid;
  int64_t begin, end;
  float* y;
  const float* mask = nullptr;
};

// The chosen tiles of `batch` maps that are in memory as a whole.
TileJob JobOfMaps(const float* x, int64_t batch, int64_t height, int64_t width, float* y,
                  ChosenTiles chosen = nullptr);

// The tiles of some rows of one map; x and y have the rows that `rows` says are in memory.
TileJob JobOfRows(const float* x, int64_t height, int64_t width, const WinogradRows& rows,
                  float* y);

// Rearranges the pixels of a channel's tiles for transforms of eight tiles at once.
class TileCutter {
 public:
  // For up to `max_tiles` tiles, a multiple of kTileLanes.
  explicit TileCutter(int64_t max_tiles);

  // Rows and columns -halo ... 5 - halo, or 0 ... 3 without a halo, of the tiles of `segments` in
  // channel `channel` of maps [batch, channels, grid.input_rows.count, grid.width]; zeros beyond
  // the maps, of which the rows that the tiles need must be in memory. Lanes after the last tile
  // keep their values.
  void Cut(const float* maps, int64_t channels, int64_t channel, const TileGrid& grid,
           const std::vector<TileSegment>& segments, int64_t halo);

  // Point (i, q) of tile p, which may lie up to kTileLanes after the last, is at
  // tiles()[(6 i + q) * stride() + p].
  const float* tiles() const { return &cut_[0]; }
  int64_t stride() const { return stride_; }

 private:
  int64_t stride_;
  AlignedFloats row_;  // of pixels, with margins
  AlignedFloats cut_;  // [36, stride_]
};

// How many tiles a thread processes at a time: a multiple of 16, at most `limit`, which is one too,
// so that `threads` threads get as many blocks each.
int64_t TilesPerBlock(int64_t total, int64_t threads, int64_t limit);

// Writes channel `channel` of `segments` to maps [batch, channels, grid.output_rows.count,
// grid.width]: row i of tile p is at outputs + i * stride + 4 p, 4 floats. Outputs beyond the maps
// are left out; the other rows must be in memory. `mask`: as of a TileJob.
void WriteTiles(const float* outputs, int64_t stride, int64_t channels, int64_t channel,
                const TileGrid& grid, const std::vector<TileSegment>& segments, float* maps,
                const float* mask = nullptr);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_TILE_GRID_H_
