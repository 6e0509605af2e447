// Convolutions that the tests of the training kernels run: their shapes, and one pass of training.

#ifndef RCNN_DETECTION_CONVOLUTION_CONVOLUTION_CASES_H_
#define RCNN_DETECTION_CONVOLUTION_CONVOLUTION_CASES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <ostream>

#include "rcnn/detection/convolution/patch_convolution.h"
#include "rcnn/detection/convolution/training_checks.h"

namespace rcnn::detection {

// As in "2 x 23 x 29 x 31 to 18, kernel 3, stride 2, padding 1", for the names of cases.
std::ostream& operator<<(std::ostream& out, const PatchShape& shape);

// Rows or columns of the output of a map with `size` of them; the padded map holds the kernel.
int64_t OutputSize(int64_t size, const PatchKernel& kernel);

// x [batch, in_channels, height, width], weight [out_channels, in_channels, size, size] and bias
// [out_channels], which may be undefined -> [batch, out_channels, H', W'], all of one dtype. The
// stride and the padding are its own.
using TrainedConvolution = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& weight,
                                                    const at::Tensor& bias)>;

// The output, and the gradients of x, weight and bias, in this order; without a bias the last is
// one 1. Operands and the output's gradient are normal, the weights such that outputs are too; the
// same values in each call, rounded to `type`.
Tensors TrainOnce(const PatchShape& shape, const TrainedConvolution& convolve, at::ScalarType type,
                  bool with_bias);

// The norm of the difference, in units of that of the exact tensor.
double RelativeError(const at::Tensor& found, const at::Tensor& exact);

// Expects each of them in float32, with and without a bias, to have a relative error of at most
// 1e-6 from that of at::conv2d in float64.
void ExpectGradientsOfAConvolution(const PatchShape& shape, const TrainedConvolution& convolve);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_CONVOLUTION_CASES_H_
