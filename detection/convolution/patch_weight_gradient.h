// The gradient of the weights of a convolution with any square kernel, stride and padding, as a
// matrix product.
//
// float32 on the CPU, for training: the strided convolutions of a ResNet and the first one of a
// network. Rows of the patches are read from the planes while they are multiplied (row_product.h),
// so there is no matrix of patches.
//
// An element is a chain of multiply-adds in chunks of kPanelChunk over the outputs of all images:
// the same bits at every level of instructions and for any number of threads.
//
// Example:
//   PatchWeightGradient(x.data_ptr<float>(), dy.data_ptr<float>(), {1, 3, 64, 800, 1088, {7, 2,
//   3}},
//                       dw.data_ptr<float>());

#ifndef RCNN_DETECTION_CONVOLUTION_PATCH_WEIGHT_GRADIENT_H_
#define RCNN_DETECTION_CONVOLUTION_PATCH_WEIGHT_GRADIENT_H_

#include "rcnn/detection/convolution/patch_convolution.h"

namespace rcnn::detection {

// x [batch, in_channels, height, width], dy [batch, out_channels, H', W'] -> dw [out_channels,
// in_channels, size, size], all without gaps. The padded map must hold the kernel, and
// PanelProductAvailable() must hold. Zero without images. Uses LibTorch's threads.
void PatchWeightGradient(const float* x, const float* dy, const PatchShape& shape, float* dw);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PATCH_WEIGHT_GRADIENT_H_
