// Tiles that are partly outside a result; internal to this folder.
//
// Kernels compute whole tiles. Such a tile is computed in a buffer, of which the inner part is
// copied.
//
// Example:
//   MultiplyPartTile(rows, columns, options, out, stride,
//                    [&](const TileOptions& whole, float* tile, int64_t tile_stride) {
//                      MultiplyPanels(kernel, a, b, depth, whole, tile, tile_stride);
//                    });

#ifndef RCNN_DETECTION_CONVOLUTION_PART_TILE_H_
#define RCNN_DETECTION_CONVOLUTION_PART_TILE_H_

#include <cstdint>
#include <cstring>

#include "rcnn/detection/convolution/panel_kernels.h"

namespace rcnn::detection {

// Calls multiply(options, tile, stride) for a whole tile, and writes its first num_rows x
// num_columns to `out`, rows `stride` floats apart. Of options.add and options.mask only these are
// read.
template <typename Multiply>
void MultiplyPartTile(int64_t num_rows, int64_t num_columns, TileOptions options, float* out,
                      int64_t stride, const Multiply& multiply) {
  using Tile = float[kMaxPanelRows * kPanelColumns];
  Tile add = {}, mask = {}, tile;
  const size_t bytes = static_cast<size_t>(num_columns) * sizeof(float);
  const auto copy_inner = [&](const float*& from, int64_t& from_stride, Tile& to) {
    if (from == nullptr) return;
    for (int64_t r = 0; r < num_rows; ++r) {
      std::memcpy(to + r * kPanelColumns, from + r * from_stride, bytes);
    }
    from = to;
    from_stride = kPanelColumns;
  };
  copy_inner(options.add, options.add_stride, add);
  copy_inner(options.mask, options.mask_stride, mask);
  multiply(options, tile, kPanelColumns);
  for (int64_t r = 0; r < num_rows; ++r) {
    std::memcpy(out + r * stride, tile + r * kPanelColumns, bytes);
  }
}

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PART_TILE_H_
