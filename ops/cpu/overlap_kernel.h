// Overlaps of boxes with a fixed set of boxes, vectorised over the set.
//
// Internal to ops: boxes.cc writes whole matrices with it, box_voting.cc single rows,
// matcher.cc reduces blocks of rows that stay in the cache. CPU only; nothing is
// checked, and values must be finite (the file is compiled with -ffinite-math-only).
//
// Example:
//   const BoxColumns<float> columns(gt, gt_count, inclusive);
//   std::vector<float> block(kRows * columns.padded_count());
//   OverlapRows(boxes, kRows, columns, Overlap::kIou, block.data(), columns.padded_count());

#ifndef RCNN_OPS_CPU_OVERLAP_KERNEL_H_
#define RCNN_OPS_CPU_OVERLAP_KERNEL_H_

#include <cstdint>
#include <vector>

#include "rcnn/ops/kernels/box_overlap.h"

namespace rcnn::ops {

// `count` boxes [count, 4] as the columns 0 to 4: x1, y1, x2, y2 and area, each padded
// with empty boxes to a multiple of kLanes.
template <typename T>
class BoxColumns {
 public:
  static constexpr int64_t kLanes = 8;

  BoxColumns(const T* boxes, int64_t count, bool inclusive);

  int64_t count() const { return count_; }
  int64_t padded_count() const { return padded_count_; }
  // 1 in inclusive arithmetic, 0 otherwise.
  T extra() const { return extra_; }
  const T* column(int64_t i) const { return values_.data() + i * padded_count_; }

 private:
  int64_t count_;
  int64_t padded_count_;
  T extra_;
  std::vector<T> values_;
};

// Writes the overlaps of `rows` boxes [rows, 4] with all columns to out[row *
// stride + column], and 0 to the padding: padded_count() elements of every row are
// written, row by row. stride >= count().
void OverlapRows(const float* boxes, int64_t rows, const BoxColumns<float>& columns, Overlap kind,
                 float* out, int64_t stride);
void OverlapRows(const double* boxes, int64_t rows, const BoxColumns<double>& columns, Overlap kind,
                 double* out, int64_t stride);

// Maxima of a block [rows, width] of values >= 0, `width` a multiple of
// BoxColumns::kLanes: the maximum of every row to row_max [rows], and the maximum
// of every column and the value already there to column_max [width].
void BlockMaxima(const float* block, int64_t rows, int64_t width, float* row_max,
                 float* column_max);
void BlockMaxima(const double* block, int64_t rows, int64_t width, double* row_max,
                 double* column_max);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_OVERLAP_KERNEL_H_
