// Sum and mean of doubles with numpy's rounding.
//
// A sum depends on the order of its additions. numpy processes 8192 elements at a
// time: it adds blocks of up to 128 with eight running sums and combines the blocks
// in a binary tree (pairwise summation; numpy/core/src/umath/loops_utils.h.src).
// The official COCO numbers are numpy means, so equal digits need the same order.
//
// Example: double ap = NumpyMean(precisions);

#ifndef RCNN_EVAL_PAIRWISE_SUM_H_
#define RCNN_EVAL_PAIRWISE_SUM_H_

#include "absl/types/span.h"

namespace rcnn::eval {

// Equals numpy.sum of a contiguous float64 array, bit for bit. 0 if empty.
double NumpySum(absl::Span<const double> values);

// Equals numpy.mean of a contiguous float64 array, bit for bit. NaN if empty.
double NumpyMean(absl::Span<const double> values);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_PAIRWISE_SUM_H_
