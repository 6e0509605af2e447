// Convolution with a stride, or of few channels, with gradients, for training on the CPU.
//
// The output is the product of patch_convolution.h, the gradients those of patch_input_gradient.h
// and patch_weight_gradient.h: they read and write planes as they are, while LibTorch rearranges
// every map for oneDNN and back. Results differ from at::conv2d by rounding.
//
// Example:
//   if (CanTrainPatches(x, weight, stride, padding)) {
//     y = TrainingPatches(x, weight, bias, stride, padding);
//   }

#ifndef RCNN_DETECTION_CONVOLUTION_TRAINING_PATCHES_H_
#define RCNN_DETECTION_CONVOLUTION_TRAINING_PATCHES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rcnn/detection/convolution/training_epilogue.h"

namespace rcnn::detection {

// Whether TrainingPatches can compute this convolution and is faster: a square kernel with a stride
// above 1, or of at most 4 channels, which Winograd's method is not for; float32 on a CPU with AVX2
// and FMA outside autocast, at least 16 outputs, and enough pixels to pay for packing the weights.
bool CanTrainPatches(const at::Tensor& x, const at::Tensor& weight, int64_t stride,
                     int64_t padding);
// The same of float32 tensors [N, C, H, W] and [K, C, k, k] of these sizes, on the CPU.
bool CanTrainPatches(at::IntArrayRef x, at::IntArrayRef weight, int64_t stride, int64_t padding);

// x [N, C, H, W], weight [K, C, k, k], bias [K] or undefined -> [N, K, H', W'], contiguous.
// CanTrainPatches() must hold. Differentiable once. The bits do not depend on the instruction level
// or the number of threads.
at::Tensor TrainingPatches(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           int64_t stride, int64_t padding, const TrainingEpilogue& epilogue = {});

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_TRAINING_PATCHES_H_
