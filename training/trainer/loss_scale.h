// The factor by which a loss in float16 is multiplied before its backward pass, so that small
// gradients do not become 0.
//
// It halves when a gradient is not finite, whose update is then left out, and doubles after
// kGrowthInterval updates without one. A power of two, so that scaling changes no bits. All of it
// stays on the device; nothing waits for it.
//
// Source: Micikevicius et al., arXiv:1710.03740v3, Sec. 3.2.
//
// Example:
//   scale.Scale(loss).backward();
//   const at::Tensor finite = norm.isfinite();  // of the summed gradients, which are scaled
//   scale.Update(finite);

#ifndef RCNN_TRAINING_TRAINER_LOSS_SCALE_H_
#define RCNN_TRAINING_TRAINER_LOSS_SCALE_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>

namespace rcnn::training {

class LossScale {
 public:
  static constexpr double kFirst = 65536;
  static constexpr double kLeast = 1;
  static constexpr double kMost = 16777216;  // 2^24
  static constexpr int64_t kGrowthInterval = 2000;

  explicit LossScale(const c10::Device& device);

  // `loss`, a scalar on the device, times the factor. Differentiable.
  at::Tensor Scale(const at::Tensor& loss) const;

  // A bool scalar: whether the factor can become smaller. If it cannot, a gradient that is not
  // finite is an error.
  at::Tensor CanShrink() const;

  // Notes whether the gradients of an update were `finite`, a bool scalar on the device.
  void Update(const at::Tensor& finite);

  // The state: the factor, a float32 scalar, and the updates since it last changed or a gradient
  // was not finite, an int64 scalar. On the device; copied into to restore a state.
  const at::Tensor& value() const { return value_; }
  const at::Tensor& good_updates() const { return good_updates_; }

 private:
  at::Tensor value_;
  at::Tensor good_updates_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_LOSS_SCALE_H_
