// RoIPool at the size of Faster R-CNN's box head, compared with torchvision's
// operator if it is installed.
//
// Argument: channels (7 x 7 bins, 300 RoIs, 38 x 50 pixels).

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include <tuple>

#include "rcnn/ops/roi_pool.h"
#include "rcnn/ops/testing/random_rois.h"
#include "rcnn/ops/testing/torchvision.h"

namespace rcnn::ops {
namespace {

constexpr RoiPoolOptions kOptions{7, 7, 1.0 / 16};
constexpr testing::TorchvisionRoiOptions kTheirs{1.0 / 16, 7, 7};

struct Work {
  Work(int64_t channels, at::MemoryFormat format)
      : map(testing::RandomMap({1, channels, 38, 50}, at::kFloat, 1).contiguous(format)),
        rois(testing::RandomRois({300, 1, 608, 800, 0}, 2).to(at::kFloat)),
        grad(testing::RandomMap({300, channels, 7, 7}, at::kFloat, 3).contiguous(format)) {}
  at::Tensor map, rois, grad;
};

void Forward(benchmark::State& state, at::MemoryFormat format) {
  const Work work(state.range(0), format);
  for (auto _ : state) benchmark::DoNotOptimize(RoiPool(work.map, work.rois, kOptions));
}

// With the indices of the maxima, as torchvision always computes them.
void ForwardForGradient(benchmark::State& state, at::MemoryFormat format) {
  const Work work(state.range(0), format);
  const at::Tensor leaf = work.map.detach().requires_grad_(true);
  for (auto _ : state) benchmark::DoNotOptimize(RoiPool(leaf, work.rois, kOptions));
}

void Backward(benchmark::State& state, at::MemoryFormat format) {
  const Work work(state.range(0), format);
  const at::Tensor leaf = work.map.detach().requires_grad_(true);
  const at::Tensor pooled = RoiPool(leaf, work.rois, kOptions);
  for (auto _ : state) {
    benchmark::DoNotOptimize(torch::autograd::grad({pooled}, {leaf}, {work.grad}, true));
  }
}

void TorchvisionForward(benchmark::State& state) {
  if (!testing::LoadTorchvision().ok()) return state.SkipWithError("torchvision is not installed");
  const Work work(state.range(0), at::MemoryFormat::Contiguous);
  for (auto _ : state) {
    benchmark::DoNotOptimize(testing::TorchvisionRoiPool(work.map, work.rois, kTheirs));
  }
}

void TorchvisionBackward(benchmark::State& state) {
  if (!testing::LoadTorchvision().ok()) return state.SkipWithError("torchvision is not installed");
  const Work work(state.range(0), at::MemoryFormat::Contiguous);
  const at::Tensor argmax = std::get<1>(testing::TorchvisionRoiPool(work.map, work.rois, kTheirs));
  for (auto _ : state) {
    benchmark::DoNotOptimize(testing::TorchvisionRoiPoolBackward(work.grad, work.rois, argmax,
                                                                 kTheirs, work.map.sizes()));
  }
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(512)->Unit(benchmark::kMillisecond)->UseRealTime();
}

BENCHMARK_CAPTURE(Forward, planes, at::MemoryFormat::Contiguous)->Apply(Sizes);
BENCHMARK_CAPTURE(Forward, channels_last, at::MemoryFormat::ChannelsLast)->Apply(Sizes);
BENCHMARK_CAPTURE(ForwardForGradient, planes, at::MemoryFormat::Contiguous)->Apply(Sizes);
BENCHMARK(TorchvisionForward)->Apply(Sizes);
BENCHMARK_CAPTURE(Backward, planes, at::MemoryFormat::Contiguous)->Apply(Sizes);
BENCHMARK_CAPTURE(Backward, channels_last, at::MemoryFormat::ChannelsLast)->Apply(Sizes);
BENCHMARK(TorchvisionBackward)->Apply(Sizes);

}  // namespace
}  // namespace rcnn::ops
