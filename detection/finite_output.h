// Checks a network's output for values that are not finite, once, where it leaves the network.
//
// On the CPU such a value is an error at once. Reading a value of another device would wait for
// it, so there the answer stays on the device; it is a part of the losses (losses.h), and the
// trainer reads it with the log.
//
// Example:
//   const at::Tensor finite = CheckFiniteOutput(logits, "logits of RoIs");
//   losses.finite = BothFinite(finite, CheckFiniteOutput(deltas, "deltas of RoIs"));

#ifndef RCNN_DETECTION_FINITE_OUTPUT_H_
#define RCNN_DETECTION_FINITE_OUTPUT_H_

#include <ATen/core/Tensor.h>

namespace rcnn::detection {

// On the CPU: undefined; throws NotFiniteError (base/not_finite_error.h) naming `name` and the
// first row of `values` with a NaN or infinity. On another device: whether all `values` are
// finite, a bool scalar there. `values` is floating point of any shape. No gradient flows.
at::Tensor CheckFiniteOutput(const at::Tensor& values, const char* name);

// Whether all `values` are finite, a bool scalar on their device. Does not wait for it.
at::Tensor AllFinite(const at::Tensor& values);

// `a` and `b` of CheckFiniteOutput for two tensors of one device: both or, on the CPU, undefined.
at::Tensor BothFinite(const at::Tensor& a, const at::Tensor& b);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_FINITE_OUTPUT_H_
