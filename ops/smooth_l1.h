// Smooth L1 loss, the regression loss of Fast and Faster R-CNN.
//
//   l(x) = x^2 / (2 beta)   where |x| < beta
//          |x| - beta / 2   elsewhere,          x = prediction - target
// With sigma, as the code of 2015 has it, beta = 1 / sigma^2. beta = 0 is the L1
// loss |x|.
//
// Source: Girshick, arXiv:1504.08083, Eq. 3 (sigma = 1). sigma = 3 for the RPN is
// from the code of 2015, not from the paper.
//
// Example:
//   at::Tensor loss = SmoothL1Sum(deltas, targets, {.beta = 1.0 / 9}) / count;

#ifndef RCNN_OPS_SMOOTH_L1_H_
#define RCNN_OPS_SMOOTH_L1_H_

#include <ATen/core/Tensor.h>

namespace rcnn::ops {

struct SmoothL1Options {
  // Where the parabola ends, >= 0 and at most the largest float32.
  double beta = 1;
};

// The options of `sigma`, > 0: beta = 1 / sigma^2.
SmoothL1Options SmoothL1FromSigma(double sigma);

// Returns l element by element, in the shape of the arguments.
//
//   predictions  any shape, float32|float64, finite
//   targets      same shape, dtype and device; finite
// Differentiable with respect to both; where |x| = 0 and beta = 0 the gradient is 0.
// Works on every device; finiteness is checked on the CPU.
// Throws c10::Error naming the argument on a wrong shape, dtype or device, values
// that are not finite, and options out of range.
at::Tensor SmoothL1(const at::Tensor& predictions, const at::Tensor& targets,
                    const SmoothL1Options& options = {});

// Returns the sum of l over all elements, a scalar; 0 for no elements.
at::Tensor SmoothL1Sum(const at::Tensor& predictions, const at::Tensor& targets,
                       const SmoothL1Options& options = {});

}  // namespace rcnn::ops

#endif  // RCNN_OPS_SMOOTH_L1_H_
