#include "rcnn/training/trainer/shared_statistics.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <cmath>
#include <memory>
#include <utility>

#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

// The weight that a statistic still has after this many batches.
double Left(double momentum, int64_t batches) {
  return std::pow(1 - momentum, static_cast<double>(batches));
}

}  // namespace

SharedStatistics::SharedStatistics(const detection::FasterRcnn& model) {
  for (const std::shared_ptr<torch::nn::Module>& module : model.modules(/*include_self=*/false)) {
    const auto* norm = dynamic_cast<const detection::Norm*>(module.get());
    if (norm == nullptr || !norm->TrainedStatistics()) continue;
    entries_.push_back({*norm->TrainedStatistics(), {}, {}, 0});
  }
  Keep();
}

void SharedStatistics::Keep() {
  for (Entry& entry : entries_) {
    entry.mean = entry.now.mean.clone();
    entry.variance = entry.now.variance.clone();
    entry.batches = entry.now.batches.item<int64_t>();
  }
}

void SharedStatistics::Restore() {
  const at::NoGradGuard no_grad;
  for (Entry& entry : entries_) {
    entry.now.mean.copy_(entry.mean);
    entry.now.variance.copy_(entry.variance);
    entry.now.batches.fill_(entry.batches);
  }
}

// A norm that a batch passes several times collects one statistic each time.
std::vector<at::Tensor> SharedStatistics::Contribution(const Entry& entry,
                                                       const UpdateShare& share) {
  const data::IterationShare& batches = share.iterations;
  const int64_t own = entry.now.batches.item<int64_t>() - entry.batches;
  const int64_t later = own * (batches.period - batches.end) / (batches.end - batches.begin);
  const double left = Left(entry.now.momentum, own);
  const double weight = share.part.index == 0 ? Left(entry.now.momentum, later) : 0;
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
    const int64_t own = entry.now.batches.item<int64_t>() - entry.batches;
    const data::IterationShare& batches = share.iterations;
    const int64_t all = own * batches.period / (batches.end - batches.begin);
    const double left = Left(entry.now.momentum, all);
    const int64_t channels = entry.mean.size(0);
    entry.now.mean.copy_(entry.mean * left + next(channels));
    entry.now.variance.copy_(entry.variance * left + next(channels));
    entry.now.batches.fill_(entry.batches + all);
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
