// RoIAlign at the sizes of box heads, compared with torchvision's operator if it is
// installed.
//
// Arguments: channels, bins per side (sampling ratio 2, 300 RoIs, 38 x 50 pixels).

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include "rcnn/ops/roi_align.h"
#include "rcnn/ops/testing/random_rois.h"
#include "rcnn/ops/testing/torchvision.h"

namespace rcnn::ops {
namespace {

constexpr double kScale = 1.0 / 16;

struct Work {
  Work(int64_t channels, int64_t bins, at::MemoryFormat format)
      : map(testing::RandomMap({1, channels, 38, 50}, at::kFloat, 1).contiguous(format)),
        rois(testing::RandomRois({300, 1, 608, 800, 0}, 2).to(at::kFloat)),
        grad(testing::RandomMap({300, channels, bins, bins}, at::kFloat, 3).contiguous(format)),
        options{bins, bins, kScale, 2, true},
        theirs{kScale, bins, bins, 2, true} {}
  at::Tensor map, rois, grad;
  RoiAlignOptions options;
  testing::TorchvisionRoiOptions theirs;
};

void Forward(benchmark::State& state, at::MemoryFormat format) {
  const Work work(state.range(0), state.range(1), format);
  for (auto _ : state) benchmark::DoNotOptimize(RoiAlign(work.map, work.rois, work.options));
}

void Backward(benchmark::State& state, at::MemoryFormat format) {
  const Work work(state.range(0), state.range(1), format);
  const at::Tensor leaf = work.map.detach().requires_grad_(true);
  const at::Tensor pooled = RoiAlign(leaf, work.rois, work.options);
  for (auto _ : state) {
    benchmark::DoNotOptimize(torch::autograd::grad({pooled}, {leaf}, {work.grad}, true));
  }
}

void TorchvisionForward(benchmark::State& state) {
  if (!testing::LoadTorchvision().ok()) return state.SkipWithError("torchvision is not installed");
  const Work work(state.range(0), state.range(1), at::MemoryFormat::Contiguous);
  for (auto _ : state) {
    benchmark::DoNotOptimize(testing::TorchvisionRoiAlign(work.map, work.rois, work.theirs));
  }
}

void TorchvisionBackward(benchmark::State& state) {
  if (!testing::LoadTorchvision().ok()) return state.SkipWithError("torchvision is not installed");
  const Work work(state.range(0), state.range(1), at::MemoryFormat::Contiguous);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        testing::TorchvisionRoiAlignBackward(work.grad, work.rois, work.theirs, work.map.sizes()));
  }
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({512, 7})->Args({1024, 14})->Unit(benchmark::kMillisecond)->UseRealTime();
}

BENCHMARK_CAPTURE(Forward, planes, at::MemoryFormat::Contiguous)->Apply(Sizes);
BENCHMARK_CAPTURE(Forward, channels_last, at::MemoryFormat::ChannelsLast)->Apply(Sizes);
BENCHMARK(TorchvisionForward)->Apply(Sizes);
BENCHMARK_CAPTURE(Backward, planes, at::MemoryFormat::Contiguous)->Apply(Sizes);
BENCHMARK_CAPTURE(Backward, channels_last, at::MemoryFormat::ChannelsLast)->Apply(Sizes);
BENCHMARK(TorchvisionBackward)->Apply(Sizes);

}  // namespace
}  // namespace rcnn::ops
