#include "rcnn/detection/box_normalization.h"

#include <ATen/ATen.h>

namespace rcnn::detection {

BoxNormalization::BoxNormalization()
    : torch::nn::Module("BoxNormalization"),
      mean_(register_buffer("_mean", at::empty({0}))),
      std_(register_buffer("_std", at::empty({0}))) {}

// Registered buffers keep their tensor; its data are replaced.
void BoxNormalization::Set(const at::Tensor& mean, const at::Tensor& std) {
  mean_.set_data(std.defined() ? mean.detach().clone() : at::empty({0}));
  std_.set_data(std.defined() ? std.detach().clone() : at::empty({0}));
}

at::Tensor BoxNormalization::Normalize(const at::Tensor& targets, const at::Tensor& rows) const {
  if (!is_set()) return targets;
  if (!rows.defined()) return (targets - mean_.to(targets)) / std_.to(targets);
  const at::Device device = targets.device();
  return (targets - mean_.to(device).index_select(0, rows)) / std_.to(device).index_select(0, rows);
}

}  // namespace rcnn::detection
