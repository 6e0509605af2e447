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
#include <vector>

#include "rcnn/detection/convolution/panel_product.h"

namespace rcnn::detection {

// Adjacent tiles of one row.
struct TileSegment {
  int64_t image, row, column;  // of the first
  int64_t count;
  int64_t offset;  // of the first, among those asked for
};

// The tiles of a batch, in order of image, row and column. Tiles at the right and lower
// edge may extend beyond the map.
struct TileGrid {
  TileGrid(int64_t batch, int64_t height, int64_t width);

  // The tiles `begin` to `end` - 1, cut into segments.
  std::vector<TileSegment> Segments(int64_t begin, int64_t end) const;

  int64_t height, width;  // of a map, in pixels
  int64_t rows, columns;  // of tiles in a map
  int64_t total;
};

// Rearranges the pixels of a channel's tiles for transforms of eight tiles at once.
class TileCutter {
 public:
  // For up to `max_tiles` tiles, a multiple of kTileLanes.
  explicit TileCutter(int64_t max_tiles);

  // Rows and columns -halo ... 5 - halo about the tiles of `segments` in channel `channel` of
  // maps [batch, channels, grid.height, grid.width]; zeros beyond the maps. Lanes after the
  // last tile keep their values.
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

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_TILE_GRID_H_
