#include "rcnn/ops/counter_sampler.h"

#include <torch/library.h>

#include <cstdint>
#include <tuple>

#include "rcnn/ops/counter_sampler_work.h"
#include "rcnn/ops/cuda/counter_sampler.h"
#include "rcnn/ops/cuda/registration.h"

namespace rcnn::ops {
namespace {

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> SampleOnCuda(
    const at::Tensor& labels, const at::Tensor& image_ids, int64_t key, int64_t count,
    double positive_fraction, c10::optional<int64_t> appended_from) {
  const BalancedSamplerOptions options = {count, positive_fraction};
  CheckCounterSampleArguments(labels, image_ids, options, appended_from);
  const c10::cuda::CUDAGuard guard(labels.device());
  const at::Tensor rows = labels.contiguous(), ids = image_ids.contiguous();
  const CountedSample sample = AllocateSample(rows, options);
  SampleWork work =
      MakeSampleWork(rows, ids, static_cast<uint64_t>(key), count, appended_from, sample);
  Workspace workspace;
  PlanSample(workspace, &work);
  const at::Tensor memory = workspace.Allocate(rows);
  CheckLaunch(LaunchSampleExamples(work, CurrentStream()), "sample_by_counters");
  return {sample.positive, sample.positive_count, sample.negative, sample.negative_count};
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) { m.impl("sample_by_counters", &SampleOnCuda); }

}  // namespace
}  // namespace rcnn::ops
