#include "rcnn/training/trainer/gradient_sum.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>

#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

at::Tensor GradientOrZero(const at::Tensor& value) {
  if (!value.grad().defined()) value.mutable_grad() = at::zeros_like(value.detach());
  return value.grad();
}

absl::Status SumBucket(RankGroup& ranks, const std::vector<at::Tensor>& gradients) {
  std::vector<at::Tensor> rows;
  for (const at::Tensor& gradient : gradients) rows.push_back(gradient.contiguous());
  RCNN_RETURN_IF_ERROR(ranks.Sum(rows));
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].is_same(gradients[i])) gradients[i].copy_(rows[i]);
  }
  return absl::OkStatus();
}

}  // namespace

std::string WhichHaveGradients(const std::vector<TrainedParameter>& parameters) {
  std::string has_gradient;
  for (const TrainedParameter& parameter : parameters) {
    has_gradient += parameter.value.grad().defined() ? '1' : '0';
  }
  return has_gradient;
}

absl::Status SumGradients(RankGroup& ranks, const std::vector<TrainedParameter>& parameters,
                          const std::string& has_gradient, int64_t bucket_bytes) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> bucket;
  int64_t bytes = 0;
  for (size_t p = 0; p < parameters.size(); ++p) {
    if (has_gradient[p] == '0') continue;
    const at::Tensor gradient = GradientOrZero(parameters[p].value);
    const auto more = static_cast<int64_t>(gradient.nbytes());
    if (bytes + more > bucket_bytes) {
      RCNN_RETURN_IF_ERROR(SumBucket(ranks, bucket));
      bucket.clear();
      bytes = 0;
    }
    bucket.push_back(gradient);
    bytes += more;
  }
  return SumBucket(ranks, bucket);
}

}  // namespace rcnn::training
