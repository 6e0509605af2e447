// The machine's speed: sgemm and 3x3 convolution, the lower bound of every model's
// time. The counter FLOP/s counts a multiply-add as two operations.
//
//   ./bazelw run //base:machine_benchmark

#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>

#include "benchmark/benchmark.h"

namespace rcnn {
namespace {

void SetFlops(benchmark::State& state, double flops_per_iteration) {
  state.counters["FLOP/s"] = benchmark::Counter(
      flops_per_iteration * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

// C [n, n] = A [n, n] B [n, n] in float32.
void Sgemm(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const int64_t n = state.range(0);
  const at::Tensor a = at::rand({n, n}), b = at::rand({n, n});
  at::Tensor c = at::mm(a, b);
  for (auto _ : state) at::mm_out(c, a, b);
  SetFlops(state, 2.0 * static_cast<double>(n * n * n));
}
BENCHMARK(Sgemm)->Arg(1024)->Arg(2048)->Unit(benchmark::kMillisecond)->UseRealTime();

// 3x3, stride 1, padding 1, [1, c, h, w] -> [1, c, h, w] in float32: the shapes
// of VGG16's blocks and of ResNet's stages at a 600x1000 input.
void Convolution3x3(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const int64_t c = state.range(0), h = state.range(1), w = state.range(2);
  const auto format =
      state.range(3) != 0 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  const at::Tensor x = at::rand({1, c, h, w}).contiguous(format);
  const at::Tensor weight = at::rand({c, c, 3, 3}).contiguous(format);
  for (auto _ : state) benchmark::DoNotOptimize(at::conv2d(x, weight, {}, 1, 1));
  SetFlops(state, 2.0 * 9.0 * static_cast<double>(c * c * h * w));
}
BENCHMARK(Convolution3x3)
    ->ArgNames({"channels", "height", "width", "channels_last"})
    ->Args({64, 600, 1000, 0})
    ->Args({64, 600, 1000, 1})
    ->Args({256, 150, 250, 0})
    ->Args({256, 150, 250, 1})
    ->Args({512, 38, 63, 0})
    ->Args({512, 38, 63, 1})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace rcnn
