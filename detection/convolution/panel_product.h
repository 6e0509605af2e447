// The inner part of a matrix product in float32: six rows by sixteen columns, both
// operands packed.
//
// The building block of the convolutions in this folder. A row panel holds six rows
// of the left matrix, a column panel sixteen columns of the right one, depth by
// depth, so that the loop over the depth reads both sequentially and keeps all 96
// sums in registers. Needs AVX2 and FMA: ask PanelProductAvailable() first.
//
// Example, c [M, N] = a [M, D] b [D, N] with M <= 6, N <= 16:
//   PackRows(a, M, D, D, rows);
//   PackColumns(b, N, D, N, columns);
//   MultiplyPanels(rows, columns, D, {}, tile, kPanelColumns);

#ifndef RCNN_DETECTION_CONVOLUTION_PANEL_PRODUCT_H_
#define RCNN_DETECTION_CONVOLUTION_PANEL_PRODUCT_H_

#include <cstdint>
#include <memory>

namespace rcnn::detection {

inline constexpr int64_t kPanelRows = 6;
inline constexpr int64_t kPanelColumns = 16;

// Whether this processor can run MultiplyPanels.
bool PanelProductAvailable();

struct FreeFloats {
  void operator()(float* floats) const;
};
using AlignedFloats = std::unique_ptr<float[], FreeFloats>;

// `count` uninitialised floats, aligned to 64 bytes.
AlignedFloats AllocateFloats(int64_t count);

inline int64_t NumPanels(int64_t count, int64_t panel) { return (count + panel - 1) / panel; }

// Packs a [rows, depth], with rows `stride` floats apart, to [NumPanels(rows,
// kPanelRows), depth, kPanelRows]; missing rows become 0.
void PackRows(const float* a, int64_t rows, int64_t depth, int64_t stride, float* packed);

// Packs the first `columns` <= kPanelColumns of b [depth, ...], with rows `stride`
// floats apart, to one panel [depth, kPanelColumns]; missing columns become 0.
void PackColumns(const float* b, int64_t columns, int64_t depth, int64_t stride, float* packed);

// Operations on the sums of a tile, in this order.
struct TileOptions {
  // [kPanelRows], added to each row; null: nothing.
  const float* bias = nullptr;
  // [kPanelRows, kPanelColumns] with rows `add_stride` floats apart, added; null: nothing.
  const float* add = nullptr;
  int64_t add_stride = 0;
  bool relu = false;
};

// tile [kPanelRows, kPanelColumns], rows `stride` floats apart, = the product of a row
// panel and a column panel, which is at a multiple of 32 bytes.
void MultiplyPanels(const float* rows, const float* columns, int64_t depth,
                    const TileOptions& options, float* tile, int64_t stride);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PANEL_PRODUCT_H_
