// The inner part of a matrix product in float32: a tile of a few rows by sixteen columns, both
// operands packed.
//
// The building block of the convolutions in this folder. A row panel holds as many rows of the
// left matrix as the kernel takes (panel_kernels.h), a column panel sixteen columns of the right
// one, depth by depth, so that the loop over the depth reads both sequentially and keeps all sums
// in registers. Needs AVX2: ask PanelProductAvailable() first.
//
// Example, c [M, N] = a [M, D] b [D, N] with at most as many rows as a panel, and N <= 16:
//   const PanelKernel& kernel = CurrentPanelKernel();
//   PackRows(a, M, D, D, kernel.rows, rows);
//   PackColumns(b, N, D, N, columns);
//   MultiplyPanels(kernel, rows, columns, D, {}, tile, kPanelColumns);

#ifndef RCNN_DETECTION_CONVOLUTION_PANEL_PRODUCT_H_
#define RCNN_DETECTION_CONVOLUTION_PANEL_PRODUCT_H_

#include <cstdint>
#include <memory>

#include "rcnn/detection/convolution/panel_kernels.h"

namespace rcnn::detection {

// Whether there is a kernel at CurrentInstructionLevel().
bool PanelProductAvailable();

// That of CurrentInstructionLevel(). PanelProductAvailable() must hold.
const PanelKernel& CurrentPanelKernel();

struct FreeFloats {
  void operator()(float* floats) const;
};
using AlignedFloats = std::unique_ptr<float[], FreeFloats>;

// `count` uninitialised floats, aligned to 64 bytes.
AlignedFloats AllocateFloats(int64_t count);
// The same for packed weights (AllocateLastingBlock).
AlignedFloats AllocateLastingFloats(int64_t count);

inline int64_t NumPanels(int64_t count, int64_t panel) { return (count + panel - 1) / panel; }

// MultiplyPanels sums this much of the depth in registers, and then the sums, because long sums
// cause most of the rounding error.
inline constexpr int64_t kPanelChunk = 64;

// Packs a [rows, depth], with rows `stride` floats apart, to [NumPanels(rows,
// panel_rows), depth, panel_rows]; missing rows become 0.
void PackRows(const float* a, int64_t rows, int64_t depth, int64_t stride, int64_t panel_rows,
              float* packed);

// Packs the first `rows` <= panel_rows columns of a [depth, ...], with rows `stride` floats apart,
// as the rows of one panel [depth, panel_rows]; missing rows become 0.
void PackTransposedRows(const float* a, int64_t rows, int64_t depth, int64_t stride,
                        int64_t panel_rows, float* packed);

// Packs the first `columns` <= kPanelColumns of b [depth, ...], with rows `stride`
// floats apart, to one panel [depth, kPanelColumns]; missing columns become 0.
void PackColumns(const float* b, int64_t columns, int64_t depth, int64_t stride, float* packed);

// Asks for the cache lines of a tile that is read or written soon; it may lie outside its matrix.
// Inlined, because GCC drops calls of functions that do nothing but prefetch.
inline __attribute__((always_inline)) void PrefetchTile(const float* tile, int64_t rows,
                                                        int64_t stride) {
  for (int64_t r = 0; r < rows; ++r)
    __builtin_prefetch(tile + r * stride, /*rw=*/0, /*locality=*/2);
}

// tile [kernel.rows, kPanelColumns], rows `stride` floats apart, = the product of a row
// panel and a column panel, which is at a multiple of 64 bytes. The same bits for every kernel, and
// for a depth in parts of multiples of kPanelChunk: the first with the bias and the addend, the
// others with the tile as addend, the last with the ReLU and the mask.
void MultiplyPanels(const PanelKernel& kernel, const float* rows, const float* columns,
                    int64_t depth, const TileOptions& options, float* tile, int64_t stride);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PANEL_PRODUCT_H_
