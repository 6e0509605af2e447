#include "rcnn/detection/convolution/row_panels.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace rcnn::detection {

// A kernel may write beyond its panel, where another thread has the next one. So a panel is packed
// apart and copied.
AlignedFloats PackRowPanels(const PanelKernel& kernel, const float* matrix, MatrixOrder order,
                            int64_t rows, int64_t depth) {
  const int64_t panels = NumPanels(rows, kernel.rows), size = kernel.rows * depth;
  AlignedFloats packed = AllocateFloats(panels * size);
  at::parallel_for(0, panels, 1, [&](int64_t begin, int64_t end) {
    const AlignedFloats panel = AllocateFloats(size + kPanelSlack);
    for (int64_t p = begin; p < end; ++p) {
      const int64_t first = p * kernel.rows, some = std::min(kernel.rows, rows - first);
      if (order == MatrixOrder::kRows) {
        kernel.pack_rows(matrix + first * depth, depth, some, depth, &panel[0]);
      } else {
        PackTransposedRows(matrix + first, some, depth, rows, kernel.rows, &panel[0]);
      }
      std::copy_n(&panel[0], size, &packed[p * size]);
    }
  });
  return packed;
}

}  // namespace rcnn::detection
