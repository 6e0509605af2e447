// The transforms of Winograd's F(2 x 2, 3 x 3) for sixteen blocks at once. AVX2 code, internal to
// this folder.
//
// Blocks are the 6 x 6 inputs and 4 x 4 outputs of F(4 x 4, 3 x 3) (winograd_kernels.h), so both
// methods share tile_grid.h. Here a block is four tiles of 4 x 4 inputs, which overlap by two, and
// 2 x 2 outputs. The matrices have only 0, 1 and 1/2 in them, so that products of bfloat16 lose
// less than with F(4 x 4, 3 x 3); in exchange there are 16 multiplications for four outputs rather
// than 36 for sixteen.
//
// Source: Lavin and Gray, arXiv:1509.09308v2, Sec. 4.1.

#ifndef RCNN_DETECTION_CONVOLUTION_WINOGRAD_TWO_KERNELS_H_
#define RCNN_DETECTION_CONVOLUTION_WINOGRAD_TWO_KERNELS_H_

#include <cstdint>

namespace rcnn::detection {

inline constexpr int64_t kTwoPoints = 16;
// Tiles of a block: upper left, upper right, lower left, lower right.
inline constexpr int64_t kTwoTiles = 4;

// `count` kernels [3, 3] without gaps -> [4, 4], in float64 and rounded: point t of kernel i to
// transformed[t * stride + i].
void TransformKernelsTwo(const float* kernels, int64_t count, float* transformed, int64_t stride);

// Sixteen blocks [6, 6], of which point (i, q) lies at blocks + (6 i + q) * stride, to point t of
// tile s at transformed + (16 s + t) * transformed_stride.
void TransformInputBlocksTwo(const float* blocks, int64_t stride, float* transformed,
                             int64_t transformed_stride);

// Sixteen blocks' sums of products, point t of tile s at sums + (16 s + t) * stride, to 4 x 4
// outputs each: row i of all sixteen lie side by side at rows + i * row_stride, 64 floats.
void TransformOutputBlocksTwo(const float* sums, int64_t stride, float bias, bool relu, float* rows,
                              int64_t row_stride);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_WINOGRAD_TWO_KERNELS_H_
