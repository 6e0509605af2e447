// BoxCoderOptions as arguments of a registered operator.
//
// Internal to ops.
//
// Example:
//   DefineOperator(m, "f(Tensor x, *, " RCNN_BOX_CODER_SCHEMA ") -> Tensor", &OnCpu, &OnMeta);

#ifndef RCNN_OPS_BOX_CODER_SCHEMA_H_
#define RCNN_OPS_BOX_CODER_SCHEMA_H_

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <array>

#include "rcnn/ops/box_coder.h"

// The defaults are those of BoxCoderOptions.
#define RCNN_BOX_CODER_SCHEMA                                                \
  "float[] weights=[1., 1., 1., 1.], float[] mean=[0., 0., 0., 0.], "        \
  "float[] stddev=[1., 1., 1., 1.], float max_log_scale=4.135166556742356, " \
  "bool inclusive=False, bool exact_inverse=True"

namespace rcnn::ops {

// Throws c10::Error unless there are four `values`.
inline std::array<double, 4> ReadFour(at::ArrayRef<double> values, const char* name) {
  TORCH_CHECK(values.size() == 4, name, ": expected 4 numbers, got ", values.size());
  std::array<double, 4> four;
  std::copy_n(values.begin(), 4, four.begin());
  return four;
}

// The arguments of RCNN_BOX_CODER_SCHEMA. Throws c10::Error on a list of another length; the
// values are checked by CheckBoxCoderOptions.
inline BoxCoderOptions ReadBoxCoderOptions(at::ArrayRef<double> weights, at::ArrayRef<double> mean,
                                           at::ArrayRef<double> stddev, double max_log_scale,
                                           bool inclusive, bool exact_inverse) {
  return {ReadFour(weights, "weights"),
          ReadFour(mean, "mean"),
          ReadFour(stddev, "stddev"),
          max_log_scale,
          inclusive,
          exact_inverse};
}

// Throws c10::Error when `options` are out of range. Defined in box_coder.cc, as are the two
// functions below.
void CheckBoxCoderOptions(const BoxCoderOptions& options);

// Throw c10::Error as EncodeBoxes and DecodeBoxes do before they compute.
void CheckEncodeArguments(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                          const BoxCoderOptions& options);
void CheckDecodeArguments(const at::Tensor& boxes, const at::Tensor& deltas,
                          const BoxCoderOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_BOX_CODER_SCHEMA_H_
