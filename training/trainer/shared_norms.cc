#include "rcnn/training/trainer/shared_norms.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <utility>

#include "absl/status/status.h"
#include "rcnn/training/trainer/proposal_exchange.h"

namespace rcnn::training {
namespace {

// Each batch has a row of its own, so that one sum over all ranks serves all batches.
at::Tensor SumOfBatch(RankGroup& ranks, const UpdateShare& share, const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  const at::Tensor rows = at::zeros({share.iterations.period, values.numel()}, values.options());
  rows.select(0, share.iterations.begin).copy_(values.reshape({-1}));
  const absl::Status status = ranks.Sum(rows.view({-1}));
  if (!status.ok()) throw OtherRankFailed(status);
  return rows.select(0, share.iterations.begin).view(values.sizes());
}

}  // namespace

// The sum takes the place of the values, whose gradient is then the sum of the gradients.
detection::PartsSum MakePartsSum(std::shared_ptr<RankGroup> ranks, const UpdateShare& share) {
  return [ranks = std::move(ranks), share](const at::Tensor& values) {
    const at::Tensor sum = values.clone();
    {
      const at::NoGradGuard no_grad;
      sum.copy_(SumOfBatch(*ranks, share, values));
    }
    if (!sum.requires_grad()) return sum;
    sum.register_hook(
        [ranks, share](const at::Tensor& gradient) { return SumOfBatch(*ranks, share, gradient); });
    return sum;
  };
}

bool ShareNorms(detection::FasterRcnn& model, const std::shared_ptr<RankGroup>& ranks,
                const UpdateShare& share) {
  bool has_any = false;
  for (const std::shared_ptr<torch::nn::Module>& module : model.modules(/*include_self=*/false)) {
    auto* norm = dynamic_cast<detection::Norm*>(module.get());
    if (norm == nullptr || !norm->TrainedStatistics()) continue;
    norm->SetPartsSum(MakePartsSum(ranks, share));
    has_any = true;
  }
  return has_any;
}

}  // namespace rcnn::training
