#include "rcnn/detection/box_normalization.h"

#include <ATen/ATen.h>

namespace rcnn::detection {

void BoxNormalization::Set(const at::Tensor& mean, const at::Tensor& std) {
  mean_ = std.defined() ? mean.clone() : at::Tensor();
  std_ = std.defined() ? std.clone() : at::Tensor();
}

at::Tensor BoxNormalization::Normalize(const at::Tensor& targets, const at::Tensor& rows) const {
  if (!is_set()) return targets;
  if (!rows.defined()) return (targets - mean_.to(targets)) / std_.to(targets);
  const at::Device device = targets.device();
  return (targets - mean_.to(device).index_select(0, rows)) / std_.to(device).index_select(0, rows);
}

void BoxNormalization::to(torch::Device device, torch::Dtype dtype, bool /*non_blocking*/) {
  if (is_set()) Set(mean_.to(device, dtype), std_.to(device, dtype));
}

void BoxNormalization::to(torch::Dtype dtype, bool /*non_blocking*/) {
  if (is_set()) Set(mean_.to(dtype), std_.to(dtype));
}

void BoxNormalization::to(torch::Device device, bool /*non_blocking*/) {
  if (is_set()) Set(mean_.to(device), std_.to(device));
}

}  // namespace rcnn::detection
