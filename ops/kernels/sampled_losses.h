// The losses of rpn_loss.h and fast_rcnn_loss.h over samples of a fixed capacity with counts, and
// their gradients: nothing depends on a number that only the device knows.
//
// A thread for each row computes its losses and its unscaled gradients; a block for each loss sums
// the rows in a fixed order (SumRowsKernel); then a thread for each row divides its gradients by
// the normalizer, which may be the number of rows that count, and a last one writes the losses. So
// losses and gradients have the same bits in any order of threads.
//
// Sums are of T, float or double: each thread adds every kThreads-th row, then a tree adds the
// threads. A sum of N losses, none negative, has a relative error of at most (N / kThreads + 10)
// roundings.
//
// On a device nobody has checked rows and labels: one that does not exist makes its losses NaN, and
// nothing outside the arguments is read or written.

#ifndef RCNN_OPS_KERNELS_SAMPLED_LOSSES_H_
#define RCNN_OPS_KERNELS_SAMPLED_LOSSES_H_

#include <cmath>
#include <cstdint>
#include <limits>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

// sums[column] = the sum of values[column * rows + i] over i.
template <typename T>
struct SumRowsKernel {
  static constexpr int kThreads = 256;
  static constexpr int64_t kTreePhases = 8;  // log2(kThreads)
  struct Shared {
    T sum[kThreads];
  };
  using Private = None;

  int64_t Blocks() const { return columns; }
  RCNN_HOST_DEVICE int64_t Phases(int64_t /*column*/) const { return 2 + kTreePhases; }
  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared,
                            None& /*values*/) const {
    if (phase == 0) {
      T sum = 0;
      for (int64_t i = place.thread; i < rows; i += kThreads) sum += values[place.block * rows + i];
      shared.sum[place.thread] = sum;
    } else if (phase <= kTreePhases) {
      const int width = kThreads >> phase;
      if (place.thread < width) shared.sum[place.thread] += shared.sum[place.thread + width];
    } else if (place.thread == 0) {
      sums[place.block] = shared.sum[0];
    }
  }

  int64_t columns;
  int64_t rows;
  const T* values;
  T* sums;
};

// -log(sigmoid(x)), and its derivative.
template <typename T>
RCNN_HOST_DEVICE T LogLoss(T x, T* gradient) {
  const T small = std::exp(-std::abs(x));
  const T sigmoid = x >= 0 ? T{1} / (T{1} + small) : small / (T{1} + small);
  *gradient = sigmoid - T{1};
  return Greater(-x, T{0}) + std::log1p(small);
}

// Smooth L1 of smooth_l1.h, and its derivative.
template <typename T>
RCNN_HOST_DEVICE T SmoothL1Value(T difference, T beta, T* gradient) {
  const T size = std::abs(difference);
  if (size < beta) {
    *gradient = difference / beta;
    return T{0.5} * difference * difference / beta;
  }
  *gradient = difference > 0 ? T{1} : difference < 0 ? T{-1} : T{0};
  return size - T{0.5} * beta;
}

// What both losses share. `rows` values in each of 3 columns: class loss, box loss, 1 for a row
// that counts.
template <typename T>
struct LossSums {
  T* values;           // [3, rows], scratch
  T* sums;             // [3], scratch
  T* losses;           // [2], class and box loss
  T class_normalizer;  // 0: the number of rows that count
  T box_normalizer;    // likewise
  T box_weight;
  T beta;

  RCNN_HOST_DEVICE void Put(int64_t rows, int64_t row, T class_loss, T box_loss, T counts) const {
    values[row] = class_loss;
    values[rows + row] = box_loss;
    values[2 * rows + row] = counts;
  }
  // Of all rows together, once sums are known. Without rows losses and gradients are 0.
  RCNN_HOST_DEVICE T ClassScale() const {
    return T{1} / (class_normalizer > 0 ? class_normalizer : Greater(sums[2], T{1}));
  }
  RCNN_HOST_DEVICE T BoxScale() const {
    return box_weight / (box_normalizer > 0 ? box_normalizer : Greater(sums[2], T{1}));
  }
};

template <typename T>
struct WriteLosses {
  RCNN_HOST_DEVICE void operator()(int64_t /*i*/) const {
    sums.losses[0] = sums.sums[0] * sums.ClassScale();
    sums.losses[1] = sums.sums[1] * sums.BoxScale();
  }

  LossSums<T> sums;
};

template <typename T>
struct FillZero {
  RCNN_HOST_DEVICE void operator()(int64_t i) const { to[i] = T{0}; }

  T* to;
};

// The region proposal network's: sampled anchors of each image.
template <typename T>
struct RpnLossWork {
  int64_t images;
  int64_t anchors;  // per image
  const T* logits;  // [images, anchors]
  const T* deltas;  // [images, anchors, 4]
  int64_t positive_capacity;
  const int64_t* positive;        // [images, positive_capacity]
  const int64_t* positive_count;  // [images]
  const T* target_deltas;         // [images, positive_capacity, 4]
  int64_t negative_capacity;
  const int64_t* negative;        // [images, negative_capacity]
  const int64_t* negative_count;  // [images]
  LossSums<T> sums;
  T* grad_logits;  // [images, anchors]
  T* grad_deltas;  // [images, anchors, 4]

  RCNN_HOST_DEVICE int64_t RowsPerImage() const { return positive_capacity + negative_capacity; }
  RCNN_HOST_DEVICE int64_t Rows() const { return images * RowsPerImage(); }

  // A row: positives of an image first, then its negatives.
  struct Row {
    bool counts;
    bool exists;  // if it counts
    bool is_positive;
    int64_t anchor;  // of all images
    int64_t target;  // of all images; for positives
  };
  RCNN_HOST_DEVICE Row Find(int64_t i) const {
    const int64_t image = i / RowsPerImage(), place = i % RowsPerImage();
    Row row{};
    row.is_positive = place < positive_capacity;
    int64_t index = 0;
    if (row.is_positive) {
      row.target = image * positive_capacity + place;
      row.counts = place < positive_count[image];
      if (row.counts) index = positive[row.target];
    } else {
      const int64_t at = place - positive_capacity;
      row.counts = at < negative_count[image];
      if (row.counts) index = negative[image * negative_capacity + at];
    }
    row.exists = index >= 0 && index < anchors;
    row.anchor = image * anchors + index;
    return row;
  }
};

// Losses and unscaled gradients of a row. An anchor is sampled once.
template <typename T>
struct RpnLossRow {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const typename RpnLossWork<T>::Row row = work.Find(i);
    if (!row.counts || !row.exists) {
      constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
      const T loss = row.counts ? kNan : T{0};
      work.sums.Put(work.Rows(), i, loss, row.is_positive ? loss : T{0}, T{0});
      return;
    }
    const T logit = work.logits[row.anchor];
    T gradient;
    const T class_loss = LogLoss(row.is_positive ? logit : -logit, &gradient);
    work.grad_logits[row.anchor] = row.is_positive ? gradient : -gradient;
    T box_loss = 0;
    if (row.is_positive) {
      for (int c = 0; c < 4; ++c) {
        const int64_t at = 4 * row.anchor + c;
        box_loss += SmoothL1Value(work.deltas[at] - work.target_deltas[4 * row.target + c],
                                  work.sums.beta, work.grad_deltas + at);
      }
    }
    work.sums.Put(work.Rows(), i, class_loss, box_loss, T{1});
  }

  RpnLossWork<T> work;
};

template <typename T>
struct ScaleRpnGradient {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const typename RpnLossWork<T>::Row row = work.Find(i);
    if (!row.counts || !row.exists) return;
    work.grad_logits[row.anchor] *= work.sums.ClassScale();
    if (!row.is_positive) return;
    for (int c = 0; c < 4; ++c) work.grad_deltas[4 * row.anchor + c] *= work.sums.BoxScale();
  }

  RpnLossWork<T> work;
};

template <typename Launch, typename T, typename Work, template <typename> class Row,
          template <typename> class Scale>
void ComputeLosses(Launch& launch, int64_t rows, const Work& work) {
  LaunchForEach(launch, rows, Row<T>{work});
  launch(SumRowsKernel<T>{3, rows, work.sums.values, work.sums.sums});
  LaunchForEach(launch, rows, Scale<T>{work});
  LaunchForEach(launch, 1, WriteLosses<T>{work.sums});
}

template <typename Launch, typename T>
void ComputeRpnLosses(Launch& launch, const RpnLossWork<T>& work) {
  LaunchForEach(launch, work.images * work.anchors, FillZero<T>{work.grad_logits});
  LaunchForEach(launch, 4 * work.images * work.anchors, FillZero<T>{work.grad_deltas});
  ComputeLosses<Launch, T, RpnLossWork<T>, RpnLossRow, ScaleRpnGradient>(launch, work.Rows(), work);
}

// The head's: RoIs with a label each.
template <typename T>
struct HeadLossWork {
  int64_t rois;
  int64_t classes;         // with the background
  const T* logits;         // [rois, classes]
  int64_t delta_groups;    // 1: one for all classes; classes - 1, or classes: one for each
  const T* deltas;         // [rois, 4 * delta_groups]
  const int64_t* labels;   // [rois]: 0 background; < 0: the RoI does not count
  const T* target_deltas;  // [rois, 4], read where the label is > 0
  LossSums<T> sums;
  T* grad_logits;  // [rois, classes]
  T* grad_deltas;  // [rois, 4 * delta_groups]

  // The first of the label's 4 deltas in a row.
  RCNN_HOST_DEVICE int64_t FirstDelta(int64_t label) const {
    if (delta_groups == 1) return 0;
    return 4 * (delta_groups == classes ? label : label - 1);
  }
};

template <typename T>
struct HeadLossRow {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    for (int64_t j = 0; j < 4 * work.delta_groups; ++j) {
      work.grad_deltas[i * 4 * work.delta_groups + j] = T{0};
    }
    T* gradient = work.grad_logits + i * work.classes;
    const int64_t label = work.labels[i];
    if (label < 0 || label >= work.classes) {
      constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
      const T loss = label < 0 ? T{0} : kNan;
      for (int64_t k = 0; k < work.classes; ++k) gradient[k] = T{0};
      work.sums.Put(work.rois, i, loss, loss, T{0});
      return;
    }
    work.sums.Put(work.rois, i, ClassLoss(i, label, gradient), label > 0 ? BoxLoss(i, label) : T{0},
                  T{1});
  }

  RCNN_HOST_DEVICE T ClassLoss(int64_t i, int64_t label, T* gradient) const {
    const T* logits = work.logits + i * work.classes;
    T largest = logits[0];
    for (int64_t k = 1; k < work.classes; ++k) largest = Greater(largest, logits[k]);
    T total = 0;
    for (int64_t k = 0; k < work.classes; ++k) total += std::exp(logits[k] - largest);
    for (int64_t k = 0; k < work.classes; ++k) {
      gradient[k] = std::exp(logits[k] - largest) / total - (k == label ? T{1} : T{0});
    }
    return std::log(total) - (logits[label] - largest);
  }

  RCNN_HOST_DEVICE T BoxLoss(int64_t i, int64_t label) const {
    const int64_t first = i * 4 * work.delta_groups + work.FirstDelta(label);
    T loss = 0;
    for (int c = 0; c < 4; ++c) {
      loss += SmoothL1Value(work.deltas[first + c] - work.target_deltas[4 * i + c], work.sums.beta,
                            work.grad_deltas + first + c);
    }
    return loss;
  }

  HeadLossWork<T> work;
};

template <typename T>
struct ScaleHeadGradient {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t label = work.labels[i];
    if (label < 0 || label >= work.classes) return;
    for (int64_t k = 0; k < work.classes; ++k) {
      work.grad_logits[i * work.classes + k] *= work.sums.ClassScale();
    }
    if (label == 0) return;
    const int64_t first = i * 4 * work.delta_groups + work.FirstDelta(label);
    for (int c = 0; c < 4; ++c) work.grad_deltas[first + c] *= work.sums.BoxScale();
  }

  HeadLossWork<T> work;
};

template <typename Launch, typename T>
void ComputeHeadLosses(Launch& launch, const HeadLossWork<T>& work) {
  ComputeLosses<Launch, T, HeadLossWork<T>, HeadLossRow, ScaleHeadGradient>(launch, work.rois,
                                                                            work);
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_SAMPLED_LOSSES_H_
