#include "rcnn/training/trainer/shared_statistics.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/zeros_like.h>

#include <memory>
#include <utility>

#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

// The weight that a statistic still has after this many batches. Both are float64 scalars on the
// device of the statistics: reading a number would wait for it, once for each norm.
at::Tensor Left(double momentum, const at::Tensor& batches) {
  return at::pow(1 - momentum, batches);
}

}  // namespace

SharedStatistics::SharedStatistics(const detection::FasterRcnn& model) {
  for (const std::shared_ptr<torch::nn::Module>& module : model.modules(/*include_self=*/false)) {
    const auto* norm = dynamic_cast<const detection::Norm*>(module.get());
    if (norm == nullptr || !norm->TrainedStatistics()) continue;
    entries_.push_back({*norm->TrainedStatistics(), {}, {}, {}});
  }
  Keep();
}

void SharedStatistics::Keep() {
  for (Entry& entry : entries_) {
    entry.mean = entry.now.mean.clone();
    entry.variance = entry.now.variance.clone();
    entry.batches = entry.now.batches.clone();
  }
}

void SharedStatistics::Restore() {
  const at::NoGradGuard no_grad;
  for (Entry& entry : entries_) {
    entry.now.mean.copy_(entry.mean);
    entry.now.variance.copy_(entry.variance);
    entry.now.batches.copy_(entry.batches);
  }
}

// A norm that a batch passes several times collects one statistic each time, so that their number
// is a multiple of that of the batches.
at::Tensor SharedStatistics::Collected(const Entry& entry, int64_t batches,
                                       const UpdateShare& share) {
  const data::IterationShare& own = share.iterations;
  const at::Tensor collected = (entry.now.batches - entry.batches).to(at::kDouble);
  return collected * batches / (own.end - own.begin);
}

std::vector<at::Tensor> SharedStatistics::Contribution(const Entry& entry,
                                                       const UpdateShare& share) {
  const data::IterationShare& batches = share.iterations;
  const double momentum = entry.now.momentum;
  const at::Tensor left = Left(momentum, Collected(entry, batches.end - batches.begin, share));
  const at::Tensor later = Collected(entry, batches.period - batches.end, share);
  const at::Tensor weight = share.part.index == 0 ? Left(momentum, later) : at::zeros_like(later);
  return {(entry.now.mean - entry.mean * left) * weight,
          (entry.now.variance - entry.variance * left) * weight};
}

absl::Status SharedStatistics::Merge(RankGroup& ranks, const UpdateShare& share) {
  if (entries_.empty()) return absl::OkStatus();
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parts;
  for (const Entry& entry : entries_) {
    for (at::Tensor& part : Contribution(entry, share)) parts.push_back(std::move(part));
  }
  const at::Tensor sums = at::cat(parts);
  RCNN_RETURN_IF_ERROR(ranks.Sum(sums));
  int64_t begin = 0;
  const auto next = [&](int64_t channels) {
    begin += channels;
    return sums.narrow(0, begin - channels, channels);
  };
  for (Entry& entry : entries_) {
    const at::Tensor all = Collected(entry, share.iterations.period, share);
    const at::Tensor left = Left(entry.now.momentum, all);
    const int64_t channels = entry.mean.size(0);
    entry.now.mean.copy_(entry.mean * left + next(channels));
    entry.now.variance.copy_(entry.variance * left + next(channels));
    entry.now.batches.copy_(entry.batches + all);
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
