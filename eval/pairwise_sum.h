// Sum and mean of doubles with numpy's rounding.
//
// A sum depends on the order of its additions. numpy processes 8192 elements at a
// time: it adds blocks of up to 128 with eight running sums and combines the blocks
// in a binary tree (pairwise summation; numpy/core/src/umath/loops_utils.h.src).
// The official COCO numbers are numpy means, so equal digits need the same order.
//
// Example:
//   double ap = NumpyMean(precisions);

#ifndef RCNN_EVAL_PAIRWISE_SUM_H_
#define RCNN_EVAL_PAIRWISE_SUM_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace rcnn::eval {

// Equals numpy.sum of a contiguous float64 array, bit for bit. 0 if empty.
double NumpySum(absl::Span<const double> values);

// Equals numpy.mean of a contiguous float64 array, bit for bit. NaN if empty.
double NumpyMean(absl::Span<const double> values);

// The same for values that come one by one: keeps 64 KiB of them.
class StreamedNumpyMean {
 public:
  void Add(double value);
  int64_t count() const { return count_; }
  double Mean() const;

 private:
  int64_t count_ = 0;
  double sum_ = 0;              // of what was buffered before
  std::vector<double> buffer_;  // not yet in sum_
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_PAIRWISE_SUM_H_
