// Autograd's gradient against central finite differences, for tests.
//
// Example:
//   const auto decode = [](const auto& x) { return DecodeBoxes(x[0], x[1]); };
//   EXPECT_LT(MaxGradientError(decode, {boxes, deltas}), 1e-7);

#ifndef RCNN_OPS_TESTING_GRAD_CHECK_H_
#define RCNN_OPS_TESTING_GRAD_CHECK_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace rcnn::ops::testing {

using TensorFunction = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

// Returns max |analytic - numeric| / max(1, |numeric|) over all elements of all
// inputs, of the gradient of sum(f(inputs) * w) with fixed w that differ per
// element of the output.
//
// Inputs are float64, contiguous, on the CPU; those that are not floating point
// are passed on and not differentiated. f must be smooth within `step` of them.
// Calls f 2 n + 1 times for n elements.
double MaxGradientError(const TensorFunction& f, const std::vector<at::Tensor>& inputs,
                        double step = 1e-6);

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_GRAD_CHECK_H_
