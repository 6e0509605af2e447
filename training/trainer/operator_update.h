// The formulas of solver.cc with LibTorch's operators, for weights on any device.
//
// Nothing waits for the device: the factor of the gradients and whether the update happens are
// scalars there. The solver uses its own loops on the CPU, and kernels where they are built
// (ops/weight_update.h), which are faster; results differ from theirs by rounding.
//
// Example:
//   const at::Tensor norm = NormOfGradients(gradients, device);
//   const UpdateGate gate = {scale, norm.isfinite()};
//   UpdateSgd(weight, gradient, momentum, {rate, decay, 0.9, /*rate_inside=*/false}, gate);

#ifndef RCNN_TRAINING_TRAINER_OPERATOR_UPDATE_H_
#define RCNN_TRAINING_TRAINER_OPERATOR_UPDATE_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <vector>

namespace rcnn::training {

// Scalars on the device of the weights.
struct UpdateGate {
  at::Tensor scale;    // float32: turns a summed gradient into the clipped mean
  at::Tensor applies;  // bool: false changes nothing
};

struct SgdFactors {
  double rate = 0;
  double decay = 0;
  double momentum = 0;
  bool rate_inside = false;  // of the momentum (configs/solver.proto, LR_INSIDE)
};

struct AdamWFactors {
  double rate = 0;
  double decay = 0;
  double beta1 = 0;
  double beta2 = 0;
  double epsilon = 0;
};

// Euclidean norm over all elements of float32 tensors on `device`, of which some may be undefined:
// a float64 scalar there. Not finite if an element is not.
at::Tensor NormOfGradients(const std::vector<at::Tensor>& gradients, const c10::Device& device);

// Change `weight` and its moments in place. All are float32 of one shape, on one device; `updates`
// is an int64 scalar there, the number of updates of this weight.
void UpdateSgd(const at::Tensor& weight, const at::Tensor& gradient, const at::Tensor& momentum,
               const SgdFactors& factors, const UpdateGate& gate);
void UpdateAdamW(const at::Tensor& weight, const at::Tensor& gradient, const at::Tensor& first,
                 const at::Tensor& second, const at::Tensor& updates, const AdamWFactors& factors,
                 const UpdateGate& gate);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_OPERATOR_UPDATE_H_
