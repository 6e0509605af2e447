// Layers of a network straight from their definitions, in float64: the slow
// reference for tests of the fast layers. For small shapes.

#ifndef RCNN_DETECTION_TESTING_SLOW_LAYERS_H_
#define RCNN_DETECTION_TESTING_SLOW_LAYERS_H_

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <string>

namespace rcnn::detection {

// x [N, C, H, W], weight [K, C, k, k], bias [K] or undefined -> [N, K, H', W'] float64.
// x is padded with zeros.
at::Tensor SlowConv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    int64_t stride, int64_t padding);

// x [N, I], weight [O, I], bias [O] -> [N, O] float64.
at::Tensor SlowLinear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// (x - running_mean) / sqrt(running_var + epsilon) * weight + bias of the channels of
// x [N, C, H, W], with the tensors of the module called `name`. float64.
at::Tensor SlowBatchNorm(const at::Tensor& x, const torch::nn::Module& owner,
                         const std::string& name, double epsilon);

// RoIPool of maps [B, C, H, W] with RoIs [R, 5], (image, x1, y1, x2, y2) in pixels: the maximum of
// each of `size` x `size` bins, [R, C, size, size] float64. A cell has `stride` pixels. All borders
// are rounded. Source: Girshick, arXiv:1504.08083, Sec. 2.1.
at::Tensor SlowRoiPool(const at::Tensor& maps, const at::Tensor& rois, int64_t size, double stride);

// The probability of class `label` by softmax of logits [K].
double SlowProbability(const at::Tensor& logits, int64_t label);

// The parameter or buffer called `name`; undefined if there is none.
at::Tensor FindTensor(const torch::nn::Module& owner, const std::string& name);

// Fills every parameter and floating-point buffer from a generator: running variances
// and norms' weights from [0.5, 1.5], all else from [-scale, scale].
void FillAtRandom(torch::nn::Module& module, double scale, uint64_t seed);

// max |a - b| <= tolerance * max |b|, of the same shape.
bool Near(const at::Tensor& a, const at::Tensor& b, double tolerance);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_TESTING_SLOW_LAYERS_H_
