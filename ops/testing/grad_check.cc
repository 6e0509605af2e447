#include "rcnn/ops/testing/grad_check.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

namespace rcnn::ops::testing {
namespace {

// sum(output * w), w in [1, 3).
at::Tensor Weighted(const at::Tensor& output) {
  const at::Tensor weights = at::arange(output.numel(), output.options()).mul(0.3).remainder(2) + 1;
  return (output.reshape({-1}) * weights.detach()).sum();
}

std::vector<at::Tensor> Copies(const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> copies;
  for (const at::Tensor& input : inputs) {
    const bool differentiable = at::isFloatingType(input.scalar_type());
    TORCH_CHECK(!differentiable || input.scalar_type() == at::kDouble, "inputs must be float64");
    copies.push_back(input.detach().clone().contiguous().set_requires_grad(differentiable));
  }
  return copies;
}

double Difference(const TensorFunction& f, const std::vector<at::Tensor>& inputs, double* element,
                  double step) {
  const at::NoGradGuard no_grad;
  const double kept = *element;
  *element = kept + step;
  const double high = Weighted(f(inputs)).item<double>();
  *element = kept - step;
  const double low = Weighted(f(inputs)).item<double>();
  *element = kept;
  return (high - low) / (2 * step);
}

}  // namespace

double MaxGradientError(const TensorFunction& f, const std::vector<at::Tensor>& inputs,
                        double step) {
  const std::vector<at::Tensor> leaves = Copies(inputs);
  Weighted(f(leaves)).backward();
  double worst = 0;
  for (const at::Tensor& leaf : leaves) {
    if (!leaf.requires_grad()) continue;
    const at::Tensor grad =
        leaf.grad().defined() ? leaf.grad().contiguous() : at::zeros_like(leaf).detach();
    for (int64_t i = 0; i < leaf.numel(); ++i) {
      const double numeric = Difference(f, leaves, leaf.data_ptr<double>() + i, step);
      const double analytic = grad.data_ptr<double>()[i];
      const double error = std::abs(analytic - numeric) / std::max(1.0, std::abs(numeric));
      if (!(error <= worst)) worst = error;
    }
  }
  return worst;
}

}  // namespace rcnn::ops::testing
