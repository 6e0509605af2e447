#include "rcnn/training/trainer/loss_scale.h"

#include <ATen/ATen.h>

namespace rcnn::training {

LossScale::LossScale(const c10::Device& device)
    : value_(at::full({}, kFirst, at::TensorOptions(at::kFloat).device(device))),
      good_updates_(at::zeros({}, at::TensorOptions(at::kLong).device(device))) {}

at::Tensor LossScale::Scale(const at::Tensor& loss) const { return loss * value_; }

at::Tensor LossScale::CanShrink() const { return value_.gt(kLeast); }

void LossScale::Update(const at::Tensor& finite) {
  const at::Tensor good = good_updates_ + 1;
  const at::Tensor grows = finite.logical_and(good.ge(kGrowthInterval));
  const at::Tensor grown = at::where(grows, (value_ * 2).clamp_max(kMost), value_);
  value_.copy_(at::where(finite, grown, (value_ * 0.5).clamp_min(kLeast)));
  const at::Tensor counts = finite.logical_and(grows.logical_not());
  good_updates_.copy_(at::where(counts, good, at::zeros_like(good)));
}

}  // namespace rcnn::training
