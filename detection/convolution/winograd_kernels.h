// The transforms of winograd.h for eight or sixteen tiles at once, and the splitting of pixel
// rows into tiles. AVX2 code, and AVX-512 code with the same bits; internal to this folder.

#ifndef RCNN_DETECTION_CONVOLUTION_WINOGRAD_KERNELS_H_
#define RCNN_DETECTION_CONVOLUTION_WINOGRAD_KERNELS_H_

#include <cstdint>

#include "rcnn/base/instruction_level.h"

namespace rcnn::detection {

inline constexpr int64_t kTileIn = 6;
inline constexpr int64_t kTileOut = 4;
inline constexpr int64_t kTilePoints = kTileIn * kTileIn;
// Number of tiles processed together: by CutIntoTiles, and by the transforms.
inline constexpr int64_t kTileLanes = 8;
inline constexpr int64_t kTileGroup = 16;

// `count` kernels [3, 3] without gaps -> [6, 6], in float64 and rounded: point t of
// kernel i to transformed[t * stride + i].
void TransformKernels(const float* kernels, int64_t count, float* transformed, int64_t stride);

// The same of kernels whose elements lie apart: element e of kernel i is
// kernels[e * kernel_stride + i]. The same bits.
void TransformKernelElements(const float* kernels, int64_t kernel_stride, int64_t count,
                             float* transformed, int64_t stride);

// Columns 0..5 of `count` tiles that lie four pixels apart: column q of tile p is
// row[4 p + q]. Reads up to 4 (count + 15) floats of `row`, and writes column q to
// columns + q * stride, up to seven floats beyond count.
void CutIntoTiles(const float* row, int64_t count, float* columns, int64_t stride);

// Which of sixteen tiles to transform, of those that lie side by side in one row of tiles, and
// where their pixels are. Of all channels of an image.
struct TilePart {
  // In a plane, of the upper left pixel of lane 0's tile; may be negative.
  int64_t offset = 0;
  // Pixels inside the map, from lane 0's first on, and rows of six.
  uint16_t pixels[5] = {};
  uint16_t rows = 0;
  // The lanes to write. A whole part may overwrite the others.
  uint16_t lanes = 0;
  bool whole = false;
  // Floats to a plane whose same pixels are prefetched; it need not exist. 0: none.
  int64_t prefetched_plane = 0;
};

struct WinogradKernels {
  InstructionLevel level;
  // Sixteen tiles [6, 6], of which point (i, q) lies at tiles + (6 i + q) * stride, to
  // transformed + (6 i + j) * transformed_stride.
  void (*transform_input)(const float* tiles, int64_t stride, float* transformed,
                          int64_t transformed_stride);
  // The same from the pixels of a plane whose rows are `width` floats long. Null: cut them first
  // (tile_grid.h).
  void (*transform_pixels)(const float* plane, int64_t width, const TilePart& part,
                           float* transformed, int64_t transformed_stride);
  // Sixteen sums of products, point t at sums + t * stride, to 4 x 4 outputs each: row i of all
  // sixteen lie side by side at rows + i * row_stride, 64 floats.
  void (*transform_output)(const float* sums, int64_t stride, float bias, bool relu, float* rows,
                           int64_t row_stride);
};

// The kernels of `level` or of the next lower level that has some; null for kPortable.
const WinogradKernels* GetWinogradKernels(InstructionLevel level);

// The transforms of winograd_weight_gradient.h.
struct WinogradGradientKernels {
  InstructionLevel level;
  // Kernels or channels that the last two process at once.
  int64_t lanes;
  // Gradients of sixteen tiles' outputs [4, 4], element (i, q) at tiles + (6 i + q) * stride,
  // to those of their sums of products, point t at transformed + t * transformed_stride.
  void (*transform_output)(const float* tiles, int64_t stride, float* transformed,
                           int64_t transformed_stride);
  // Gradients of `lanes` transformed kernels, point t at sums + t * stride, to those of the
  // kernels: [lanes, 3, 3] without gaps.
  void (*transform_kernels)(const float* sums, int64_t stride, float* kernels);
  // `lanes` channels, of which c lies at channels + c * channel_stride, side by side: pixel p
  // of them to pixels + p * pixel_stride, for the `count` first. Reads up to the next multiple
  // of `lanes` pixels.
  void (*interleave)(const float* channels, int64_t channel_stride, int64_t count, float* pixels,
                     int64_t pixel_stride);
};

// The kernels of `level` or of the next lower level that has some; null for kPortable.
const WinogradGradientKernels* GetWinogradGradientKernels(InstructionLevel level);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_WINOGRAD_KERNELS_H_
