// The gradient of the input of a convolution with any square kernel, stride and padding, as matrix
// products.
//
// float32 on the CPU, for training: the strided convolutions of a ResNet. With stride s a pixel
// sees every s-th row and column of the kernel, which ones depends on its place modulo s. So the
// pixels are s x s interleaved maps, each a product of its own part of the kernel with the gradient
// of the output: as many multiplications as the convolution has, none of them with zeros.
//
// An element is a chain of multiply-adds in chunks of kPanelChunk over the outputs' channels, for
// one position of the kernel after the other: the same bits at every level of instructions and for
// any number of threads.
//
// Example:
//   PatchInputGradient(weight.data_ptr<float>(), dy.data_ptr<float>(),
//                      {1, 128, 128, 200, 272, {3, 2, 1}}, dx.data_ptr<float>());

#ifndef RCNN_DETECTION_CONVOLUTION_PATCH_INPUT_GRADIENT_H_
#define RCNN_DETECTION_CONVOLUTION_PATCH_INPUT_GRADIENT_H_

#include "rcnn/detection/convolution/patch_convolution.h"

namespace rcnn::detection {

// weight [out_channels, in_channels, size, size], dy [batch, out_channels, H', W'] -> dx [batch,
// in_channels, height, width], all without gaps. The padded map must hold the kernel, and
// PanelProductAvailable() must hold. `mask`, of dx's shape: where it is at most 0, dx is 0, as in
// the gradient of a ReLU; may be null. Uses LibTorch's threads.
void PatchInputGradient(const float* weight, const float* dy, const PatchShape& shape, float* dx,
                        const float* mask = nullptr);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PATCH_INPUT_GRADIENT_H_
