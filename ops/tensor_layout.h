// How the elements of a tensor lie in memory.

#ifndef RCNN_OPS_TENSOR_LAYOUT_H_
#define RCNN_OPS_TENSOR_LAYOUT_H_

#include <ATen/core/Tensor.h>

namespace rcnn::ops {

// Whether both have the same sizes, and their elements the same order in memory: equal strides but
// for dimensions of size 1, whose strides are arbitrary.
bool HaveSameLayout(const at::Tensor& a, const at::Tensor& b);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_TENSOR_LAYOUT_H_
