// Places base anchors at the cells of a map, as PlaceAnchors of anchors.h.

#ifndef RCNN_OPS_KERNELS_PLACE_ANCHORS_H_
#define RCNN_OPS_KERNELS_PLACE_ANCHORS_H_

#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

// Moves one base anchor by (x, y). Sums are computed in float64, so that distant cells are rounded
// once.
RCNN_HOST_DEVICE inline void MoveAnchor(const float* base, double x, double y, float* anchor) {
  for (int c = 0; c < 4; c += 2) {
    anchor[c] = static_cast<float>(base[c] + x);
    anchor[c + 1] = static_cast<float>(base[c + 1] + y);
  }
}

// Anchor i of [H W A, 4], in the order (row, column, base anchor): 16 bytes written, 4 additions
// and 2 multiplications in float64.
struct PlaceAnchor {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t cell = i / kinds;
    const double x = static_cast<double>(cell % width) * stride_x_px;
    const double y = static_cast<double>(cell / width) * stride_y_px;
    MoveAnchor(base + 4 * (i % kinds), x, y, anchors + 4 * i);
  }

  const float* base;  // [kinds, 4]
  int64_t kinds;      // anchors per cell
  int64_t width;      // cells of a row
  double stride_x_px;
  double stride_y_px;
  float* anchors;
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_PLACE_ANCHORS_H_
