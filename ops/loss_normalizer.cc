#include "rcnn/ops/loss_normalizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>

#include <algorithm>

#include "rcnn/ops/check.h"

namespace rcnn::ops {
namespace {

at::Tensor TracedLength(at::TensorList samples) {
  at::Tensor total;
  for (const at::Tensor& part : samples) {
    const at::Tensor length = at::ones_like(part, part.options().dtype(at::kDouble)).sum();
    total = total.defined() ? total + length : length;
  }
  return total.clamp_min(1);
}

}  // namespace

LossNormalizer::LossNormalizer(const c10::optional<double>& value, at::TensorList samples) {
  if (value.has_value()) {
    value_ = *value;
  } else if (std::all_of(samples.begin(), samples.end(), HasKnownSizes)) {
    int64_t length = 0;
    for (const at::Tensor& part : samples) length += part.size(0);
    value_ = static_cast<double>(std::max<int64_t>(1, length));
  } else {
    traced_ = TracedLength(samples);
  }
}

at::Tensor LossNormalizer::Divide(const at::Tensor& loss) const {
  return traced_.defined() ? loss / traced_.to(loss.scalar_type()) : loss / value_;
}

at::Tensor LossNormalizer::Scale(const at::Tensor& loss, double weight) const {
  if (traced_.defined()) return loss * (weight / traced_).to(loss.scalar_type());
  return loss * (weight / value_);
}

}  // namespace rcnn::ops
