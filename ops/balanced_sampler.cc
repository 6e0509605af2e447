#include "rcnn/ops/balanced_sampler.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "rcnn/ops/check.h"
#include "rcnn/ops/dispatch.h"

namespace rcnn::ops {
namespace {

// Uniform in [0, bound), without bias: the high half of a 128-bit product, rejecting the draws
// that would make some results likelier. Lemire, arXiv:1805.10941.
uint64_t DrawBelow(uint64_t bound, at::CPUGeneratorImpl* generator) {
  const uint64_t first_fair = -bound % bound;
  while (true) {
    const unsigned __int128 product = static_cast<unsigned __int128>(generator->random64()) * bound;
    if (static_cast<uint64_t>(product) >= first_fair) return static_cast<uint64_t>(product >> 64);
  }
}

// Keeps `count` of `indices`, by the first steps of a Fisher-Yates shuffle, in ascending order.
void KeepRandom(int64_t count, std::vector<int64_t>* indices, at::CPUGeneratorImpl* generator) {
  const int64_t size = static_cast<int64_t>(indices->size());
  if (count >= size) return;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t offset = DrawBelow(static_cast<uint64_t>(size - i), generator);
    std::swap((*indices)[i], (*indices)[i + static_cast<int64_t>(offset)]);
  }
  indices->resize(count);
  std::sort(indices->begin(), indices->end());
}

void CheckArguments(const at::Tensor& labels, const c10::optional<at::Generator>& generator,
                    int64_t count, double positive_fraction) {
  CheckShape(labels, "labels", {-1});
  CheckDtype(labels, "labels", {at::kLong});
  CheckBalancedSamplerOptions({count, positive_fraction});
  TORCH_CHECK(generator.has_value(), "generator: expected a generator, got None");
  TORCH_CHECK(generator->defined() && generator->device().is_cpu(),
              "generator: expected a CPU generator");
}

std::tuple<at::Tensor, at::Tensor> SampleOnCpu(const at::Tensor& labels,
                                               c10::optional<at::Generator> generator,
                                               int64_t count, double positive_fraction) {
  CheckArguments(labels, generator, count, positive_fraction);
  const at::Tensor readable = labels.contiguous();
  std::vector<int64_t> positive;
  std::vector<int64_t> negative;
  for (int64_t i = 0; i < readable.size(0); ++i) {
    const int64_t label = readable.data_ptr<int64_t>()[i];
    if (label >= 0) (label > 0 ? positive : negative).push_back(i);
  }
  auto* draws = at::check_generator<at::CPUGeneratorImpl>(generator);
  const std::lock_guard<std::mutex> lock(draws->mutex_);
  KeepRandom(MaxPositives({count, positive_fraction}), &positive, draws);
  KeepRandom(count - static_cast<int64_t>(positive.size()), &negative, draws);
  return {at::tensor(positive, at::kLong), at::tensor(negative, at::kLong)};
}

std::tuple<at::Tensor, at::Tensor> SampleOnMeta(const at::Tensor& labels,
                                                c10::optional<at::Generator> generator,
                                                int64_t count, double positive_fraction) {
  CheckArguments(labels, generator, count, positive_fraction);
  const int64_t most_positive = MaxPositives({count, positive_fraction});
  return {at::empty({std::min(labels.size(0), most_positive)}, labels.options()),
          at::empty({std::min(labels.size(0), count)}, labels.options())};
}

// A schema supports only optional generators.
TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "sample_balanced(Tensor labels, Generator? generator, int count=256, "
                 "float positive_fraction=0.5) -> (Tensor positive, Tensor negative)",
                 &SampleOnCpu, &SampleOnMeta);
}

}  // namespace

int64_t MaxPositives(const BalancedSamplerOptions& options) {
  return static_cast<int64_t>(
      std::nearbyint(static_cast<double>(options.count) * options.positive_fraction));
}

void CheckBalancedSamplerOptions(const BalancedSamplerOptions& options) {
  TORCH_CHECK(options.count >= 0, "count: expected >= 0, got ", options.count);
  TORCH_CHECK(options.positive_fraction >= 0 && options.positive_fraction <= 1,
              "positive_fraction: expected in [0, 1], got ", options.positive_fraction);
}

BalancedSample SampleBalanced(const at::Tensor& labels, const BalancedSamplerOptions& options,
                              at::Generator generator) {
  static const auto op = FindOperator<decltype(SampleOnCpu)>("sample_balanced");
  auto [positive, negative] =
      op.call(labels, std::move(generator), options.count, options.positive_fraction);
  return {std::move(positive), std::move(negative)};
}

}  // namespace rcnn::ops
