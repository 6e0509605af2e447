// Counts the values of a tensor that are NaN or infinite.
//
// For all weights of a model, which it reads once, at the speed of the memory and without temporary
// tensors. For the inputs of an operator see ops/check.h.
//
// Example:
//   const bool usable = CountNotFinite(weight) == 0;

#ifndef RCNN_DETECTION_WEIGHTS_COUNT_NOT_FINITE_H_
#define RCNN_DETECTION_WEIGHTS_COUNT_NOT_FINITE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::detection::weights {

// `tensor` of any floating-point type, shape, layout and device. Uses LibTorch's threads.
int64_t CountNotFinite(const at::Tensor& tensor);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_COUNT_NOT_FINITE_H_
