#include "rcnn/ops/counter_sampler.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <cstdint>
#include <tuple>
#include <utility>

#include "rcnn/ops/check.h"
#include "rcnn/ops/counter_sampler_work.h"
#include "rcnn/ops/cpu/counter_sample.h"
#include "rcnn/ops/dispatch.h"

namespace rcnn::ops {
namespace {

constexpr int64_t kMaxRows = int64_t{1} << 32;

using SampleTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

SampleTensors ToTuple(const CountedSample& sample) {
  return {sample.positive, sample.positive_count, sample.negative, sample.negative_count};
}

SampleTensors SampleOnCpu(const at::Tensor& labels, const at::Tensor& image_ids, int64_t key,
                          int64_t count, double positive_fraction,
                          c10::optional<int64_t> appended_from) {
  const BalancedSamplerOptions options = {count, positive_fraction};
  CheckCounterSampleArguments(labels, image_ids, options, appended_from);
  const at::Tensor rows = labels.contiguous(), ids = image_ids.contiguous();
  const CountedSample sample = AllocateSample(rows, options);
  SampleWithSmallestBits(
      MakeSampleWork(rows, ids, static_cast<uint64_t>(key), count, appended_from, sample));
  return ToTuple(sample);
}

SampleTensors SampleOnMeta(const at::Tensor& labels, const at::Tensor& image_ids, int64_t /*key*/,
                           int64_t count, double positive_fraction,
                           c10::optional<int64_t> appended_from) {
  const BalancedSamplerOptions options = {count, positive_fraction};
  CheckCounterSampleArguments(labels, image_ids, options, appended_from);
  return ToTuple(AllocateSample(labels, options));
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "sample_by_counters(Tensor labels, Tensor image_ids, int key, int count=256, "
                 "float positive_fraction=0.5, int? appended_from=None) -> (Tensor positive, "
                 "Tensor positive_count, Tensor negative, Tensor negative_count)",
                 &SampleOnCpu, &SampleOnMeta);
}

}  // namespace

void CheckCounterSampleArguments(const at::Tensor& labels, const at::Tensor& image_ids,
                                 const BalancedSamplerOptions& options,
                                 const c10::optional<int64_t>& appended_from) {
  CheckBalancedSamplerOptions(options);
  CheckShape(labels, "labels", {-1, -1});
  CheckDtype(labels, "labels", {at::kLong});
  TORCH_CHECK(labels.size(1) < kMaxRows, "labels: expected fewer than 2^32 columns, got ",
              Describe(labels));
  CheckShape(image_ids, "image_ids", {labels.size(0)});
  CheckDtype(image_ids, "image_ids", {at::kLong});
  CheckSameDevice(image_ids, "image_ids", labels, "labels");
  TORCH_CHECK(!appended_from || (*appended_from >= 0 && *appended_from <= labels.size(1)),
              "appended_from: expected in [0, ", labels.size(1), "], got ",
              appended_from.value_or(0));
}

CountedSample AllocateSample(const at::Tensor& labels, const BalancedSamplerOptions& options) {
  const int64_t images = labels.size(0);
  return {at::empty({images, MaxPositives(options)}, labels.options()),
          at::empty({images}, labels.options()),
          at::empty({images, options.count}, labels.options()),
          at::empty({images}, labels.options())};
}

CountedSample SampleByCounters(const at::Tensor& labels, const at::Tensor& image_ids, uint64_t key,
                               const BalancedSamplerOptions& options,
                               const c10::optional<int64_t>& appended_from) {
  static const auto op = FindOperator<decltype(SampleOnCpu)>("sample_by_counters");
  auto [positive, positive_count, negative, negative_count] =
      op.call(labels, image_ids, static_cast<int64_t>(key), options.count,
              options.positive_fraction, appended_from);
  return {std::move(positive), std::move(positive_count), std::move(negative),
          std::move(negative_count)};
}

BalancedSample SampleImageByCounters(const at::Tensor& labels, int64_t image_id, uint64_t key,
                                     const BalancedSamplerOptions& options,
                                     const c10::optional<int64_t>& appended_from) {
  CheckShape(labels, "labels", {-1});
  const at::Tensor ids = at::full({1}, image_id, labels.options());
  const CountedSample sample =
      SampleByCounters(labels.unsqueeze(0), ids, key, options, appended_from);
  const auto counted = [](const at::Tensor& rows, const at::Tensor& count) {
    return rows.select(0, 0).narrow(0, 0, count.item<int64_t>());
  };
  return {counted(sample.positive, sample.positive_count),
          counted(sample.negative, sample.negative_count)};
}

}  // namespace rcnn::ops
