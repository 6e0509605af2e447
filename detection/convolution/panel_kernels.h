// The kernels behind panel_product.h, one for each level of instructions.
//
// Their sums are the same bit for bit: each element of a tile is a chain of fused multiply-adds
// over the depth, in the same order, whatever the number of rows and of lanes.

#ifndef RCNN_DETECTION_CONVOLUTION_PANEL_KERNELS_H_
#define RCNN_DETECTION_CONVOLUTION_PANEL_KERNELS_H_

#include <cstdint>

#include "rcnn/base/instruction_level.h"

namespace rcnn::detection {

inline constexpr int64_t kPanelColumns = 16;
// The most rows that a kernel's panels have.
inline constexpr int64_t kMaxPanelRows = 16;
inline constexpr int64_t kPanelSlack = 2;

// Operations on the sums of a tile, in this order. A tile has as many rows as the kernel's panels.
struct TileOptions {
  // [rows], added to each row; null: nothing.
  const float* bias = nullptr;
  // [rows, kPanelColumns] with rows `add_stride` floats apart, added; null: nothing.
  const float* add = nullptr;
  int64_t add_stride = 0;
  bool relu = false;
  // [rows, kPanelColumns] with rows `mask_stride` floats apart: where it is at most 0, 0. As the
  // gradient of a ReLU, whose output this is. Null: nothing.
  const float* mask = nullptr;
  int64_t mask_stride = 0;
};

struct PanelKernel {
  InstructionLevel level;
  // Of a row panel, and of a tile.
  int64_t rows;
  // tile [rows, kPanelColumns], rows `stride` floats apart, = the product of a row panel
  // [depth, rows] and a column panel [depth, kPanelColumns], which is at a multiple of 64 bytes.
  void (*multiply)(const float* row_panel, const float* column_panel, int64_t depth,
                   const TileOptions& options, float* tile, int64_t stride);
  // b [depth, columns], rows `stride` floats apart -> NumPanels(columns, kPanelColumns) column
  // panels [depth, kPanelColumns]; missing columns become 0. Row by row: the columns of a row lie
  // in neighbouring cache lines, those of two rows may lie in different pages.
  void (*pack_columns)(const float* b, int64_t columns, int64_t depth, int64_t stride,
                       float* panels);
  // a [num_rows, depth], rows `stride` floats apart, with at most as many rows as a row panel -> a
  // row panel; missing rows become 0. Up to kPanelSlack floats after the panel are overwritten.
  void (*pack_rows)(const float* a, int64_t stride, int64_t num_rows, int64_t depth, float* panel);
  // The same with up to kPanelColumns rows, which become the columns of a column panel.
  void (*pack_transposed)(const float* a, int64_t stride, int64_t num_rows, int64_t depth,
                          float* panel);
};

// The kernel of `level` or, if it has none, of the next lower level that has one; null for
// kPortable.
const PanelKernel* GetPanelKernel(InstructionLevel level);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PANEL_KERNELS_H_
