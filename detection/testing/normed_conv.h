// A convolution with a norm after it, small maps for it, and their definition: what tests of single
// layers share.

#ifndef RCNN_DETECTION_TESTING_NORMED_CONV_H_
#define RCNN_DETECTION_TESTING_NORMED_CONV_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>

#include "rcnn/detection/layers.h"

namespace rcnn::detection {

// A batch norm's default would hide a value that is not passed through.
inline constexpr double kNormEpsilon = 0.25;

at::Generator SeededGenerator(uint64_t seed = 3);

// Normally distributed [2, channels, 6, 5].
at::Tensor SmallMaps(int64_t channels, c10::ScalarType type = c10::ScalarType::Double);

// Padded by half of the kernel.
ConvOptions ConvShape(int64_t in, int64_t out, int64_t kernel = 3, int64_t stride = 1);

// With kNormEpsilon.
NormOptions MakeNormOptions(NormOptions::Kind kind, int64_t groups = 2);

// Random values are in all tensors of both.
struct NormedConv {
  // `biased`: the convolution also has a bias, which AddConv never creates.
  NormedConv(const ConvOptions& options, const NormOptions& norm, bool biased = false);

  // The convolution and then the norm, of constants or of two groups, and the activation. In
  // float64.
  at::Tensor Expected(const at::Tensor& x) const;

  const std::shared_ptr<torch::nn::Module> owner = std::make_shared<torch::nn::Module>();
  torch::nn::Module& module = *owner;
  std::shared_ptr<Conv> conv;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_TESTING_NORMED_CONV_H_
