#include "rcnn/detection/norm.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

namespace rcnn::detection {

Norm::Norm(int64_t channels, const NormOptions& options) : options_(options) {
  const bool frozen = options.kind == NormOptions::kFrozenBatchNorm;
  weight_ = frozen ? register_buffer("weight", at::ones({channels}))
                   : register_parameter("weight", at::ones({channels}));
  bias_ = frozen ? register_buffer("bias", at::zeros({channels}))
                 : register_parameter("bias", at::zeros({channels}));
  if (options.kind == NormOptions::kGroupNorm) return;
  running_mean_ = register_buffer("running_mean", at::zeros({channels}));
  running_var_ = register_buffer("running_var", at::ones({channels}));
  if (!frozen) {
    num_batches_tracked_ = register_buffer("num_batches_tracked", at::zeros({}, at::kLong));
  }
}

bool Norm::IsAffine() const {
  if (IsGroupNorm()) return false;
  return !(is_training() && weight_.requires_grad());
}

bool Norm::IsFrozen() const {
  return IsAffine() && !weight_.requires_grad() && !bias_.requires_grad();
}

std::pair<at::Tensor, at::Tensor> Norm::ScaleAndShift() const {
  if (!keeps_constants_ || !IsFrozen()) return ComputeScaleAndShift();
  return kept_.Get(Version(), weight_.device(), [&] { return ComputeScaleAndShift(); });
}

std::pair<at::Tensor, at::Tensor> Norm::ComputeScaleAndShift() const {
  at::Tensor scale = weight_ * at::rsqrt(running_var_ + options_.epsilon);
  at::Tensor shift = bias_ - running_mean_ * scale;
  return {std::move(scale), std::move(shift)};
}

at::Tensor Norm::Forward(const at::Tensor& x) const { return Forward(BatchMap(x)).parts.front(); }

BatchMap Norm::Forward(const BatchMap& x) const {
  if (IsGroupNorm()) {
    return ForEachPart(x, [&](const at::Tensor& part) {
      return at::group_norm(Widen(weight_, part), options_.groups, weight_, bias_,
                            options_.epsilon);
    });
  }
  const bool batch = !IsAffine();
  if (batch) at::Tensor(num_batches_tracked_).add_(1);
  if (batch && (parts_sum_ != nullptr || x.parts.size() > 1)) return ForwardOfParts(x);
  return ForEachPart(x, [&](const at::Tensor& part) {
    return at::batch_norm(part, weight_, bias_, running_mean_, running_var_, batch,
                          options_.momentum, options_.epsilon, /*cudnn_enabled=*/true);
  });
}

at::Tensor Norm::SumOfCells(const BatchMap& x) const {
  at::Tensor sum = x.parts.front().sum({0, 2, 3});
  for (size_t p = 1; p < x.parts.size(); ++p) sum = sum + x.parts[p].sum({0, 2, 3});
  return sum;
}

at::Tensor Norm::SumOfProcesses(const at::Tensor& values) const {
  return parts_sum_ != nullptr ? parts_sum_(values) : values;
}

void Norm::UpdateStatistics(const at::Tensor& mean, const at::Tensor& variance,
                            double count) const {
  const at::NoGradGuard no_grad;
  const double unbiased = count / std::max(count - 1, 1.0);
  at::Tensor(running_mean_).mul_(1 - options_.momentum).add_(mean, options_.momentum);
  at::Tensor(running_var_).mul_(1 - options_.momentum).add_(variance, options_.momentum * unbiased);
}

// Two passes, like at::batch_norm: the mean first, and then the squares of what differs from it.
// In the type of the statistics, also under autocast.
BatchMap Norm::ForwardOfParts(const BatchMap& x) const {
  const int64_t channels = weight_.size(0);
  const auto per_channel = [&](const at::Tensor& values) {
    return values.view({1, channels, 1, 1});
  };
  const BatchMap wide =
      ForEachPart(x, [&](const at::Tensor& part) { return Widen(weight_, part); });
  int64_t cells = 0;
  for (const at::Tensor& part : wide.parts) cells += part.numel() / channels;
  const at::Tensor own = at::full({1}, static_cast<double>(cells), wide.parts.front().options());
  const at::Tensor sums = SumOfProcesses(at::cat({SumOfCells(wide), own}));
  // Reading a number waits for another device, so only that of several processes is read.
  const double count =
      parts_sum_ != nullptr ? sums[channels].item<double>() : static_cast<double>(cells);
  const at::Tensor mean = sums.narrow(0, 0, channels) / count;
  const BatchMap centered =
      ForEachPart(wide, [&](const at::Tensor& part) { return part - per_channel(mean); });
  const BatchMap squares =
      ForEachPart(centered, [](const at::Tensor& part) { return part.square(); });
  const at::Tensor variance = SumOfProcesses(SumOfCells(squares)) / count;
  UpdateStatistics(mean, variance, count);
  const at::Tensor scale = weight_ * at::rsqrt(variance + options_.epsilon);
  const at::ScalarType type = x.parts.front().scalar_type();
  return ForEachPart(centered, [&](const at::Tensor& part) {
    return (part * per_channel(scale) + per_channel(bias_)).to(type);
  });
}

c10::optional<RunningStatistics> Norm::TrainedStatistics() const {
  if (IsGroupNorm() || IsAffine()) return c10::nullopt;
  return RunningStatistics{running_mean_, running_var_, num_batches_tracked_, options_.momentum};
}

int64_t Norm::Version() const {
  return TensorVersion(weight_) + TensorVersion(bias_) + TensorVersion(running_mean_) +
         TensorVersion(running_var_);
}

}  // namespace rcnn::detection
