// The weights of a convolution as row panels (panel_product.h) for a single run, as training has
// them; internal to this folder.
//
// All threads pack them, with vectors, into memory of the heap, which keeps it. Weights that are
// kept for many runs are packed once, into memory that goes back to the system with them.
//
// Example:
//   const AlignedFloats panels =
//       PackRowPanels(CurrentPanelKernel(), weight, MatrixOrder::kRows, out_channels, in_channels);

#ifndef RCNN_DETECTION_CONVOLUTION_ROW_PANELS_H_
#define RCNN_DETECTION_CONVOLUTION_ROW_PANELS_H_

#include <cstdint>

#include "rcnn/detection/convolution/panel_product.h"

namespace rcnn::detection {

// How a matrix of so many rows and such a depth lies in memory.
enum class MatrixOrder {
  kRows,     // [rows, depth]
  kColumns,  // [depth, rows]
};

// The row panels [NumPanels(rows, kernel.rows), depth, kernel.rows] of `matrix`, without gaps;
// missing rows are 0. The bits of PackRows. Uses LibTorch's threads.
AlignedFloats PackRowPanels(const PanelKernel& kernel, const float* matrix, MatrixOrder order,
                            int64_t rows, int64_t depth);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_ROW_PANELS_H_
