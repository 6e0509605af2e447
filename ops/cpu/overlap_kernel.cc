#include "rcnn/ops/cpu/overlap_kernel.h"

#include <algorithm>
#include <limits>

#include "rcnn/base/target_clones.h"

namespace rcnn::ops {
namespace {

template <typename T>
RCNN_LOOP T Min(T a, T b) {
  return a < b ? a : b;
}
template <typename T>
RCNN_LOOP T Max(T a, T b) {
  return a > b ? a : b;
}

// One row. The union is never smaller than the intersection, in floating point too; where it is 0
// so is the intersection, and the quotient. A branch-free maximum keeps the loop vectorised.
template <Overlap kind, typename T>
RCNN_LOOP void OverlapRow(const T* __restrict__ box, const T* __restrict__ columns,
                          int64_t padded_count, T extra, T* __restrict__ out) {
  constexpr int64_t kLanes = BoxColumns<T>::kLanes;
  const T x1 = box[0], y1 = box[1], x2 = box[2], y2 = box[3];
  const T area = (x2 - x1 + extra) * (y2 - y1 + extra);
  for (int64_t j = 0; j < padded_count; j += kLanes) {
    const T* c = columns + j;
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const T left = Max(x1, c[lane]);
      const T top = Max(y1, c[padded_count + lane]);
      const T right = Min(x2, c[2 * padded_count + lane]);
      const T bottom = Min(y2, c[3 * padded_count + lane]);
      const T width = Max(right - left + extra, T{0});
      const T height = Max(bottom - top + extra, T{0});
      const T shared = width * height;
      const T whole = kind == Overlap::kIou ? area + c[4 * padded_count + lane] - shared : area;
      out[j + lane] = shared / Max(whole, std::numeric_limits<T>::min());
    }
  }
}

template <Overlap kind, typename T>
RCNN_LOOP void ComputeOverlapRows(const T* boxes, int64_t rows, const T* columns,
                                  int64_t padded_count, T extra, T* out, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i) {
    OverlapRow<kind>(boxes + 4 * i, columns, padded_count, extra, out + i * stride);
  }
}

template <typename T>
RCNN_LOOP void ComputeBlockMaxima(const T* __restrict__ block, int64_t rows, int64_t width,
                                  T* __restrict__ row_max, T* __restrict__ column_max) {
  constexpr int64_t kLanes = BoxColumns<T>::kLanes;
  for (int64_t i = 0; i < rows; ++i) {
    const T* row = block + i * width;
    T lanes[kLanes] = {};
    for (int64_t j = 0; j < width; j += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        lanes[lane] = Max(lanes[lane], row[j + lane]);
        column_max[j + lane] = Max(column_max[j + lane], row[j + lane]);
      }
    }
    T best = lanes[0];
    for (int64_t lane = 1; lane < kLanes; ++lane) best = Max(best, lanes[lane]);
    row_max[i] = best;
  }
}

RCNN_TARGET_CLONES(void, IouRows, ComputeOverlapRows<Overlap::kIou>,
                   (const float* boxes, int64_t rows, const float* columns, int64_t padded_count,
                    float extra, float* out, int64_t stride),
                   (boxes, rows, columns, padded_count, extra, out, stride));
RCNN_TARGET_CLONES(void, IouRows, ComputeOverlapRows<Overlap::kIou>,
                   (const double* boxes, int64_t rows, const double* columns, int64_t padded_count,
                    double extra, double* out, int64_t stride),
                   (boxes, rows, columns, padded_count, extra, out, stride));
RCNN_TARGET_CLONES(void, IoaRows, ComputeOverlapRows<Overlap::kIntersectionOverRow>,
                   (const float* boxes, int64_t rows, const float* columns, int64_t padded_count,
                    float extra, float* out, int64_t stride),
                   (boxes, rows, columns, padded_count, extra, out, stride));
RCNN_TARGET_CLONES(void, IoaRows, ComputeOverlapRows<Overlap::kIntersectionOverRow>,
                   (const double* boxes, int64_t rows, const double* columns, int64_t padded_count,
                    double extra, double* out, int64_t stride),
                   (boxes, rows, columns, padded_count, extra, out, stride));
RCNN_TARGET_CLONES(void, Maxima, ComputeBlockMaxima,
                   (const float* block, int64_t rows, int64_t width, float* row_max,
                    float* column_max),
                   (block, rows, width, row_max, column_max));
RCNN_TARGET_CLONES(void, Maxima, ComputeBlockMaxima,
                   (const double* block, int64_t rows, int64_t width, double* row_max,
                    double* column_max),
                   (block, rows, width, row_max, column_max));

template <typename T>
void OverlapRowsImpl(const T* boxes, int64_t rows, const BoxColumns<T>& columns, Overlap kind,
                     T* out, int64_t stride) {
  if (kind == Overlap::kIou) {
    IouRows(boxes, rows, columns.column(0), columns.padded_count(), columns.extra(), out, stride);
  } else {
    IoaRows(boxes, rows, columns.column(0), columns.padded_count(), columns.extra(), out, stride);
  }
}

}  // namespace

template <typename T>
BoxColumns<T>::BoxColumns(const T* boxes, int64_t count, bool inclusive)
    : count_(count),
      padded_count_((count + kLanes - 1) / kLanes * kLanes),
      extra_(inclusive ? T{1} : T{0}),
      values_(5 * padded_count_) {
  // Padding is an empty box, x2 = x1 - extra, which shares no area with any box.
  std::fill_n(values_.begin() + 2 * padded_count_, 2 * padded_count_, -extra_);
  for (int64_t j = 0; j < count; ++j) {
    const T* box = boxes + 4 * j;
    for (int64_t i = 0; i < 4; ++i) values_[i * padded_count_ + j] = box[i];
    values_[4 * padded_count_ + j] = (box[2] - box[0] + extra_) * (box[3] - box[1] + extra_);
  }
}

template class BoxColumns<float>;
template class BoxColumns<double>;

void OverlapRows(const float* boxes, int64_t rows, const BoxColumns<float>& columns, Overlap kind,
                 float* out, int64_t stride) {
  OverlapRowsImpl(boxes, rows, columns, kind, out, stride);
}
void OverlapRows(const double* boxes, int64_t rows, const BoxColumns<double>& columns, Overlap kind,
                 double* out, int64_t stride) {
  OverlapRowsImpl(boxes, rows, columns, kind, out, stride);
}

void BlockMaxima(const float* block, int64_t rows, int64_t width, float* row_max,
                 float* column_max) {
  Maxima(block, rows, width, row_max, column_max);
}
void BlockMaxima(const double* block, int64_t rows, int64_t width, double* row_max,
                 double* column_max) {
  Maxima(block, rows, width, row_max, column_max);
}

}  // namespace rcnn::ops
