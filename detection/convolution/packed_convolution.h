// A convolution whose weights are put in order once, for inference on the CPU.
//
// Chooses by shape: Winograd's method (winograd.h), a matrix product (pointwise.h), or,
// for the rest and where the processor has no AVX2, LibTorch's packed convolutions,
// which are oneDNN's. Results differ from at::conv2d's by rounding.
//
// Example:
//   PackedConvolution conv(weight, bias, {.stride = 1, .padding = 1, .relu = true});
//   at::Tensor y = conv.Run(x);

#ifndef RCNN_DETECTION_CONVOLUTION_PACKED_CONVOLUTION_H_
#define RCNN_DETECTION_CONVOLUTION_PACKED_CONVOLUTION_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <memory>

#include "rcnn/detection/convolution/pointwise.h"
#include "rcnn/detection/convolution/winograd.h"

namespace rcnn::detection {

struct PackedConvolutionOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  // A ReLU follows.
  bool relu = false;
};

class PackedConvolution {
 public:
  // Whether a convolution with this weight can be packed at all.
  static bool CanPack(const at::Tensor& weight);

  // weight [K, C, k, k] float32 on the CPU; bias [K] or undefined. CanPack() must hold.
  PackedConvolution(const at::Tensor& weight, const at::Tensor& bias,
                    const PackedConvolutionOptions& options);

  // x [N, C, H, W] float32 -> [N, K, H', W'], contiguous. No gradient flows.
  // Throws c10::Error on another number of channels or dtype. Thread-safe.
  at::Tensor Run(const at::Tensor& x) const;

  // max(0, Run(x) + other), for a shortcut around it. The options are without a ReLU.
  at::Tensor RunAddRelu(const at::Tensor& x, const at::Tensor& other) const;

 private:
  void Check(const at::Tensor& x) const;
  at::Tensor RunPointwise(const at::Tensor& x, const float* add, bool relu) const;

  PackedConvolutionOptions options_;
  int64_t out_channels_, in_channels_;
  // One of them.
  std::unique_ptr<WinogradConvolution> winograd_;
  std::unique_ptr<PointwiseConvolution> pointwise_;
  c10::IValue libtorch_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PACKED_CONVOLUTION_H_
