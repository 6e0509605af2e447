#include "rcnn/training/trainer/operator_update.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace rcnn::training {
namespace {

void Replace(const at::Tensor& old, const at::Tensor& value, const UpdateGate& gate) {
  old.copy_(at::where(gate.applies, value, old));
}

// 1 / (1 - beta^t), a float32 scalar.
at::Tensor Correction(double beta, const at::Tensor& t) {
  return at::reciprocal(1 - at::pow(beta, t.to(at::kDouble))).to(at::kFloat);
}

}  // namespace

at::Tensor NormOfGradients(const std::vector<at::Tensor>& gradients, const c10::Device& device) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> norms;
  for (const at::Tensor& gradient : gradients) {
    if (gradient.defined()) norms.push_back(at::linalg_vector_norm(gradient));
  }
  if (norms.empty()) return at::zeros({}, at::TensorOptions(at::kDouble).device(device));
  return at::stack(norms).to(at::kDouble).square().sum().sqrt();
}

void UpdateSgd(const at::Tensor& weight, const at::Tensor& gradient, const at::Tensor& momentum,
               const SgdFactors& factors, const UpdateGate& gate) {
  const at::NoGradGuard no_grad;
  at::Tensor step = gradient * gate.scale;
  step.add_(weight, factors.decay);
  if (factors.rate_inside) step.mul_(factors.rate);
  step.add_(momentum, factors.momentum);
  const double outside = factors.rate_inside ? 1 : factors.rate;
  Replace(weight, at::sub(weight, step, outside), gate);
  Replace(momentum, step, gate);
}

void UpdateAdamW(const at::Tensor& weight, const at::Tensor& gradient, const at::Tensor& first,
                 const at::Tensor& second, const at::Tensor& updates, const AdamWFactors& factors,
                 const UpdateGate& gate) {
  const at::NoGradGuard no_grad;
  const at::Tensor scaled = gradient * gate.scale;
  const at::Tensor t = updates + 1;
  const at::Tensor m = (first * factors.beta1).add_(scaled, 1 - factors.beta1);
  const at::Tensor v = (second * factors.beta2).addcmul_(scaled, scaled, 1 - factors.beta2);
  const at::Tensor deviation = (v * Correction(factors.beta2, t)).sqrt_().add_(factors.epsilon);
  const at::Tensor step = (m * Correction(factors.beta1, t)).div_(deviation);
  Replace(weight, (weight * (1 - factors.rate * factors.decay)).sub_(step, factors.rate), gate);
  Replace(first, m, gate);
  Replace(second, v, gate);
  Replace(updates, t, gate);
}

}  // namespace rcnn::training
