// A step of the RPN's layers, forward and backward, over a whole map, at a share of its cells, and
// as in joint training: the output of the whole map, and a step at a share of its cells.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <benchmark/benchmark.h>

#include <tuple>

#include "rcnn/detection/rpn_head.h"

namespace rcnn::detection {
namespace {

// Arguments: images, channels, height, width, percent of the cells. The maps of a small
// network on images of 160 pixels, a ResNet's stride 8 on 320 x 240, and VGG-16's on
// 1000 x 600.
void Shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"n", "c", "h", "w", "percent"})
      ->ArgsProduct({{2}, {128}, {20}, {20}, {10, 25, 50, 75, 100}})
      ->ArgsProduct({{2}, {256}, {30}, {40}, {10, 25, 50, 75, 100}})
      ->ArgsProduct({{1}, {512}, {38}, {63}, {10, 25, 50, 75, 100}})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

struct Step {
  explicit Step(const benchmark::State& state)
      : map(at::randn({state.range(0), state.range(1), state.range(2), state.range(3)})
                .requires_grad_()),
        head(MakeOptions(state.range(1))) {
    const int64_t all = state.range(0) * state.range(2) * state.range(3);
    cells = std::get<0>(at::randperm(all).slice(0, 0, all * state.range(4) / 100).sort());
  }

  static RpnHeadOptions MakeOptions(int64_t channels) {
    RpnHeadOptions options;
    options.in_channels = options.channels = channels;
    return options;
  }

  at::Tensor map, cells;
  RpnHead head;
};

void BM_WholeMap(benchmark::State& state) {
  const Step step(state);
  for (auto _ : state) {
    const auto [logits, deltas] = step.head.Forward(step.map);
    (logits.sum() + deltas.sum()).backward();
  }
}
BENCHMARK(BM_WholeMap)->Apply(Shapes);

void BM_AtCells(benchmark::State& state) {
  const Step step(state);
  for (auto _ : state) {
    const auto [logits, deltas] = step.head.ForwardAt(step.map, step.cells);
    (logits.sum() + deltas.sum()).backward();
  }
}
BENCHMARK(BM_AtCells)->Apply(Shapes);

void BM_WholeOutputAndCells(benchmark::State& state) {
  const Step step(state);
  for (auto _ : state) {
    {
      const at::NoGradGuard no_grad;
      benchmark::DoNotOptimize(step.head.Forward(step.map));
    }
    const auto [logits, deltas] = step.head.ForwardAt(step.map, step.cells);
    (logits.sum() + deltas.sum()).backward();
  }
}
BENCHMARK(BM_WholeOutputAndCells)->Apply(Shapes);

}  // namespace
}  // namespace rcnn::detection
