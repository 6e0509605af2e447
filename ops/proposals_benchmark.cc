#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <vector>

#include "rcnn/ops/proposals.h"

namespace rcnn::ops {
namespace {

ProposalLevel Level(int64_t height, int64_t width, int64_t kinds, double stride) {
  const at::Tensor logits = at::randn({1, kinds, height, width}) - 2;
  const at::Tensor deltas = at::randn({1, 4 * kinds, height, width}) * 0.2;
  const at::Tensor x =
      at::arange(width, at::kFloat).mul(stride).view({1, -1, 1}).expand({height, width, kinds});
  const at::Tensor y =
      at::arange(height, at::kFloat).mul(stride).view({-1, 1, 1}).expand({height, width, kinds});
  const at::Tensor half = at::arange(1, kinds + 1, at::kFloat).mul(4 * stride);
  const at::Tensor anchors = at::stack({x - half, y - half.flip(0), x + half, y + half.flip(0)}, 3);
  return {logits, deltas, anchors.reshape({-1, 4}).contiguous()};
}

// One image of 600 x 1000 as in the paper: 38 x 63 cells of 9 anchors.
void BM_SingleLevel(benchmark::State& state) {
  const ProposalLevel level = Level(38, 63, 9, 16);
  const std::vector<InputSize> sizes = {{600, 1000, 1}};
  ProposalOptions options;
  options.pre_nms_top_n = state.range(0);
  options.post_nms_top_n = state.range(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(GenerateProposals({level}, sizes, options).rois);
  }
}
BENCHMARK(BM_SingleLevel)
    ->ArgNames({"pre_nms", "post_nms"})
    ->Args({6000, 300})
    ->Args({12000, 2000})
    ->Args({1000000, 2000})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// One image of 800 x 1344 with strides 4 to 64 and 3 anchors per cell.
void BM_Pyramid(benchmark::State& state) {
  std::vector<ProposalLevel> levels;
  for (int64_t stride = 4; stride <= 64; stride *= 2) {
    levels.push_back(Level(800 / stride, 1344 / stride, 3, static_cast<double>(stride)));
  }
  const std::vector<InputSize> sizes = {{800, 1344, 1}};
  ProposalOptions options;
  options.pre_nms_top_n = 1000;
  options.post_nms_top_n = 1000;
  for (auto _ : state) {
    benchmark::DoNotOptimize(GenerateProposals(levels, sizes, options).rois);
  }
}
BENCHMARK(BM_Pyramid)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace rcnn::ops
