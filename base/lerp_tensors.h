// Moves many tensors towards others: t = t + share (o - t), in place.
//
// On a GPU in a few launches for all of them, by an operator that LibTorch 1.13, which runs on the
// CPU alone, does not have. On the CPU the bits of at::lerp_.
//
// Example:
//   LerpTensors(averages, weights, /*share=*/0.002);

#ifndef RCNN_BASE_LERP_TENSORS_H_
#define RCNN_BASE_LERP_TENSORS_H_

#include <ATen/core/Tensor.h>

#include <vector>

namespace rcnn {

// `others` has a tensor of the same shape, floating-point dtype and device for each of `tensors`.
// No gradient flows. Nothing waits for a device. Throws c10::Error if they do not fit.
void LerpTensors(const std::vector<at::Tensor>& tensors, const std::vector<at::Tensor>& others,
                 double share);

}  // namespace rcnn

#endif  // RCNN_BASE_LERP_TENSORS_H_
