// 1 x 1 convolution with stride 1 and gradients, for training on the CPU.
//
// The output and the gradient of the input are the products of pointwise.h, the gradient of the
// weights that of row_product.h: they read and write planes as they are, while LibTorch rearranges
// every map for oneDNN and back. Results differ from at::conv2d by rounding.
//
// Example:
//   if (CanTrainPointwise(x, weight, stride, padding)) y = TrainingPointwise(x, weight, bias);

#ifndef RCNN_DETECTION_CONVOLUTION_TRAINING_POINTWISE_H_
#define RCNN_DETECTION_CONVOLUTION_TRAINING_POINTWISE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rcnn/detection/convolution/training_epilogue.h"

namespace rcnn::detection {

// Whether TrainingPointwise can compute this convolution and is faster: 1 x 1, stride 1 and padding
// 0, float32 on a CPU with AVX2 and FMA outside autocast, at least 16 channels of the input, and
// enough pixels to pay for packing the weights.
bool CanTrainPointwise(const at::Tensor& x, const at::Tensor& weight, int64_t stride,
                       int64_t padding);
// The same of float32 tensors [N, C, H, W] and [K, C, k, k] of these sizes, on the CPU.
bool CanTrainPointwise(at::IntArrayRef x, at::IntArrayRef weight, int64_t stride, int64_t padding);

// x [N, C, H, W], weight [K, C, 1, 1], bias [K] or undefined -> [N, K, H, W], contiguous.
// CanTrainPointwise() must hold. Differentiable once. The bits do not depend on the instruction
// level or the number of threads.
at::Tensor TrainingPointwise(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                             const TrainingEpilogue& epilogue = {});

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_TRAINING_POINTWISE_H_
