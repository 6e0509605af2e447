#include "rcnn/ops/balanced_sampler.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>
#include <vector>

#include "rcnn/ops/check.h"

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

at::Tensor ToTensor(const std::vector<int64_t>& indices, at::Device device) {
  return at::tensor(indices, at::kLong).to(device);
}

}  // namespace

BalancedSample SampleBalanced(const at::Tensor& labels, const BalancedSamplerOptions& options,
                              at::Generator generator) {
  CheckShape(labels, "labels", {-1});
  CheckDtype(labels, "labels", {at::kLong});
  TORCH_CHECK(options.count >= 0, "count: expected >= 0, is ", options.count);
  TORCH_CHECK(options.positive_fraction >= 0 && options.positive_fraction <= 1,
              "positive_fraction: expected in [0, 1], is ", options.positive_fraction);
  TORCH_CHECK(generator.defined() && generator.device().is_cpu(),
              "generator: expected one of the CPU");
  const double share = static_cast<double>(options.count) * options.positive_fraction;
  const int64_t most_positive = static_cast<int64_t>(std::nearbyint(share));
  if (labels.is_meta()) {
    return {at::empty({std::min(labels.size(0), most_positive)}, labels.options()),
            at::empty({std::min(labels.size(0), options.count)}, labels.options())};
  }
  const at::Tensor readable = labels.to(at::kCPU).contiguous();
  std::vector<int64_t> positive;
  std::vector<int64_t> negative;
  for (int64_t i = 0; i < readable.size(0); ++i) {
    const int64_t label = readable.data_ptr<int64_t>()[i];
    if (label >= 0) (label > 0 ? positive : negative).push_back(i);
  }
  auto* draws = at::check_generator<at::CPUGeneratorImpl>(generator);
  const std::lock_guard<std::mutex> lock(draws->mutex_);
  KeepRandom(most_positive, &positive, draws);
  KeepRandom(options.count - static_cast<int64_t>(positive.size()), &negative, draws);
  return {ToTensor(positive, labels.device()), ToTensor(negative, labels.device())};
}

}  // namespace rcnn::ops
