// What follows a convolution without a bias: the bias, the map of a shortcut, and a ReLU, with
// gradients.
//
// On a GPU in one pass over the map where ops/finish_map.h can, else with LibTorch's operators,
// which are a pass each. On the CPU convolutions do all this themselves.
//
// Example:
//   if (FinishesConvolutions(x.device())) {
//     y = FinishConvolution(Convolve(x), bias, shortcut, /*relu=*/true);
//   }

#ifndef RCNN_DETECTION_FINISH_CONVOLUTION_H_
#define RCNN_DETECTION_FINISH_CONVOLUTION_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace rcnn::detection {

// Whether maps on this device can be finished in one pass.
bool FinishesConvolutions(const c10::Device& device);

// map + bias + add, and then ReLU if `relu`, in the memory of `map` [N, C, H, W], which nobody else
// may use. `bias`: [C], of the map's type or wider. `add`: of the map's sizes; undefined: nothing.
// Throws c10::Error if the bias is of another size or on another device.
at::Tensor FinishConvolution(at::Tensor map, const at::Tensor& bias, const at::Tensor& add,
                             bool relu);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_FINISH_CONVOLUTION_H_
