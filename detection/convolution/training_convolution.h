// The 3 x 3 convolution of winograd.h with gradients, for training on the CPU.
//
// The output and both gradients take a quarter of the multiplications; the weights are
// transformed in every call. Results differ from at::conv2d by rounding (winograd.h). For
// an all-zero patch the output is exactly the bias, and tiles where the gradient of the output is
// zero take no time (zero_patches.h).
//
// Example:
//   if (CanTrainWithWinograd(x, weight, stride, padding)) {
//     y = TrainingConvolution(x, weight, bias);
//   }

#ifndef RCNN_DETECTION_CONVOLUTION_TRAINING_CONVOLUTION_H_
#define RCNN_DETECTION_CONVOLUTION_TRAINING_CONVOLUTION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rcnn/detection/convolution/training_epilogue.h"

namespace rcnn::detection {

// Whether TrainingConvolution can compute this convolution and is faster: 3 x 3, stride
// and padding 1, float32 on a CPU with AVX2 and FMA, and enough pixels to pay for the
// transform of the weights.
bool CanTrainWithWinograd(const at::Tensor& x, const at::Tensor& weight, int64_t stride,
                          int64_t padding);
// The same of float32 tensors [N, C, H, W] and [K, C, k, k] of these sizes, on the CPU.
bool CanTrainWithWinograd(at::IntArrayRef x, at::IntArrayRef weight, int64_t stride,
                          int64_t padding);

// x [N, C, H, W], weight [K, C, 3, 3], bias [K] or undefined -> [N, K, H, W], contiguous.
// CanTrainWithWinograd() must hold. Differentiable once.
at::Tensor TrainingConvolution(const at::Tensor& x, const at::Tensor& weight,
                               const at::Tensor& bias, const TrainingEpilogue& epilogue = {});

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_TRAINING_CONVOLUTION_H_
