// Transforms the inputs of winograd.h's tiles, sixteen at a time; internal to this folder.
//
// From the pixels themselves where the kernels can (AVX-512), else from tiles that are cut first.
// Both give the same bits.
//
// Example:
//   TileInput input(kernels, 64);
//   input.SetTiles(grid, grid.Segments(0, 64));
//   input.SetChannel(maps, channels, channel);
//   input.Transform(0, transformed, stride);  // tiles 0 to 15

#ifndef RCNN_DETECTION_CONVOLUTION_TILE_INPUT_H_
#define RCNN_DETECTION_CONVOLUTION_TILE_INPUT_H_

#include <cstdint>
#include <vector>

#include "rcnn/detection/convolution/tile_grid.h"
#include "rcnn/detection/convolution/winograd_kernels.h"

namespace rcnn::detection {

class TileInput {
 public:
  // For up to `max_tiles` tiles, a multiple of kTileGroup.
  TileInput(const WinogradKernels& kernels, int64_t max_tiles);

  // The tiles of the calls that follow. `grid` must outlive them.
  void SetTiles(const TileGrid& grid, std::vector<TileSegment> segments);

  // A channel of maps [batch, channels, grid.input_rows.count, grid.width].
  void SetChannel(const float* maps, int64_t channels, int64_t channel);

  // Tiles 16 group to 16 group + 15, as WinogradKernels::transform_input does. Lanes without a tile
  // get finite numbers.
  void Transform(int64_t group, float* transformed, int64_t stride) const;

 private:
  // A part of a group, and its image.
  struct ImagePart {
    TilePart part;
    int64_t image;
  };

  void AddParts(const TileSegment& segment);

  const WinogradKernels& kernels_;
  TileCutter cutter_;
  const TileGrid* grid_ = nullptr;
  std::vector<TileSegment> segments_;
  std::vector<std::vector<ImagePart>> groups_;
  const float* channel_ = nullptr;  // of the first image
  int64_t image_size_ = 0;          // of all channels
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_TILE_INPUT_H_
