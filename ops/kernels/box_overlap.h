// Overlaps of boxes: of one pair, and the matrix of all pairs.
//
// The arithmetic of boxes.h, in the order of ops/cpu/overlap_kernel.cc: equal to its
// results bit for bit on each device. Boxes are finite, with x2 >= x1 and y2 >= y1.

#ifndef RCNN_OPS_KERNELS_BOX_OVERLAP_H_
#define RCNN_OPS_KERNELS_BOX_OVERLAP_H_

#include <cstdint>
#include <limits>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

enum class Overlap {
  kIou,                  // intersection / union
  kIntersectionOverRow,  // intersection / area of the row's box
};

// A box with its area.
template <typename T>
struct AreaBox {
  T x1, y1, x2, y2, area;
};

// `corners` are 4 values, `extra` 1 for inclusive boxes, 0 otherwise.
template <typename T>
RCNN_HOST_DEVICE AreaBox<T> LoadAreaBox(const T* corners, T extra) {
  const T x1 = corners[0], y1 = corners[1], x2 = corners[2], y2 = corners[3];
  return {x1, y1, x2, y2, (x2 - x1 + extra) * (y2 - y1 + extra)};
}

// The area that two boxes share.
template <typename T>
RCNN_HOST_DEVICE T SharedArea(const AreaBox<T>& a, const AreaBox<T>& b, T extra) {
  const T width = Greater(Lesser(a.x2, b.x2) - Greater(a.x1, b.x1) + extra, T{0});
  const T height = Greater(Lesser(a.y2, b.y2) - Greater(a.y1, b.y1) + extra, T{0});
  return width * height;
}

// The overlap of `row` with `column`; 0 where the divisor is 0.
template <typename T>
RCNN_HOST_DEVICE T OverlapOfPair(const AreaBox<T>& row, const AreaBox<T>& column, Overlap kind,
                                 T extra) {
  // numeric_limits<T>::min() is a host function to nvcc unless it is a constant.
  constexpr T kSmallest = std::numeric_limits<T>::min();
  const T shared = SharedArea(row, column, extra);
  const T whole = kind == Overlap::kIou ? row.area + column.area - shared : row.area;
  return shared / Greater(whole, kSmallest);
}

// out[row * columns + column]. A block computes kTileRows rows of kThreads columns; it holds the
// rows' boxes in shared memory, and each thread one column's box.
//
// N rows, M columns: each tile reads 4 values per row and column of its own, 4 (N + M) in all from
// memory, the rest from the cache; writes N M values, 14 operations and a division each: bound by
// the writes.
template <typename T>
struct OverlapMatrixKernel {
  static constexpr int kThreads = 128;
  static constexpr int kTileRows = 16;
  struct Shared {
    AreaBox<T> rows[kTileRows];
  };
  using Private = None;

  int64_t ColumnTiles() const { return CeilDivide(columns, kThreads); }
  int64_t Blocks() const { return CeilDivide(rows, kTileRows) * ColumnTiles(); }
  RCNN_HOST_DEVICE int64_t Phases(int64_t /*block*/) const { return 2; }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared,
                            None& /*values*/) const {
    const int64_t column_tiles = CeilDivide(columns, kThreads);
    const int64_t first_row = place.block / column_tiles * kTileRows;
    const int64_t tile_rows = Lesser<int64_t>(kTileRows, rows - first_row);
    if (phase == 0) {
      if (place.thread < tile_rows) {
        shared.rows[place.thread] = LoadAreaBox(boxes + 4 * (first_row + place.thread), extra);
      }
      return;
    }
    const int64_t column = place.block % column_tiles * kThreads + place.thread;
    if (column >= columns) return;
    const AreaBox<T> other = LoadAreaBox(others + 4 * column, extra);
    T* to = out + first_row * columns + column;
    for (int64_t i = 0; i < tile_rows; ++i) {
      to[i * columns] = OverlapOfPair(shared.rows[i], other, kind, extra);
    }
  }

  const T* boxes;   // [rows, 4]
  const T* others;  // [columns, 4]
  int64_t rows;
  int64_t columns;
  Overlap kind;
  T extra;
  T* out;  // [rows, columns]
};

template <typename Launch, typename T>
void ComputeOverlapMatrix(Launch& launch, const OverlapMatrixKernel<T>& kernel) {
  if (kernel.rows > 0 && kernel.columns > 0) launch(kernel);
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_BOX_OVERLAP_H_
