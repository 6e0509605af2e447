// Packed convolutions, in float32 and by every method of bfloat16, compared with LibTorch's own on
// the same tensors.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "rcnn/detection/convolution/packed_convolution.h"

namespace rcnn::detection {
namespace {

// Arguments: batch, in and out channels, height, width, kernel, stride.
void Shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"n", "c", "k", "h", "w", "kernel", "stride"})
      ->Args({1, 256, 256, 200, 272, 3, 1})
      ->Args({1, 64, 64, 200, 272, 3, 1})
      ->Args({1, 128, 128, 100, 136, 3, 1})
      ->Args({1, 256, 256, 50, 68, 3, 1})
      ->Args({1, 512, 512, 25, 34, 3, 1})
      ->Args({1, 64, 64, 600, 1000, 3, 1})
      ->Args({1, 512, 512, 75, 125, 3, 1})
      ->Args({100, 256, 256, 7, 7, 3, 1})
      ->Args({1, 64, 256, 200, 272, 1, 1})
      ->Args({1, 512, 128, 100, 136, 1, 1})
      ->Args({1, 1024, 256, 50, 68, 1, 1})
      ->Args({1, 2048, 512, 25, 34, 1, 1})
      ->Args({1, 256, 12, 200, 272, 1, 1})
      ->Args({1, 3, 64, 800, 1088, 7, 2})
      ->Args({1, 3, 64, 600, 1000, 3, 1})
      ->Args({1, 128, 128, 200, 272, 3, 2})
      ->Args({1, 256, 256, 100, 136, 3, 2})
      ->Args({1, 512, 512, 50, 68, 3, 2})
      ->Args({1, 256, 512, 200, 272, 1, 2})
      ->Args({1, 1024, 2048, 50, 68, 1, 2})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

struct Tensors {
  explicit Tensors(const benchmark::State& state)
      : weight(at::randn({state.range(2), state.range(1), state.range(5), state.range(5)})),
        bias(at::randn({state.range(2)})),
        x(at::randn({state.range(0), state.range(1), state.range(3), state.range(4)})),
        padding(state.range(5) / 2),
        stride(state.range(6)) {}

  at::Tensor weight, bias, x;
  int64_t padding, stride;
};

// Counts all multiplications of the definition.
void CountFlops(benchmark::State& state, const Tensors& tensors) {
  const double count = 2.0 * static_cast<double>(tensors.weight.numel()) *
                       static_cast<double>(tensors.x.numel() / tensors.x.size(1)) /
                       static_cast<double>(tensors.stride * tensors.stride);
  state.counters["GFLOP/s"] =
      benchmark::Counter(count * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

void Run(benchmark::State& state, c10::optional<ConvolutionMethod> method) {
  const Tensors tensors(state);
  PackedConvolutionOptions options;
  options.padding = tensors.padding;
  options.stride = tensors.stride;
  options.method = method;
  if (!PackedConvolution::CanPack(tensors.weight, options)) {
    state.SkipWithError("not for this shape");
    return;
  }
  const PackedConvolution conv(tensors.weight, tensors.bias, options);
  for (auto _ : state) benchmark::DoNotOptimize(conv.Run(tensors.x));
  CountFlops(state, tensors);
}

void BM_Packed(benchmark::State& state) { Run(state, c10::nullopt); }
BENCHMARK(BM_Packed)->Apply(Shapes);

template <ConvolutionMethod kMethod>
void BM_Method(benchmark::State& state) {
  Run(state, kMethod);
}
BENCHMARK_TEMPLATE(BM_Method, ConvolutionMethod::kPatches)->Apply(Shapes);
BENCHMARK_TEMPLATE(BM_Method, ConvolutionMethod::kLibtorch)->Apply(Shapes);
BENCHMARK_TEMPLATE(BM_Method, ConvolutionMethod::kBfloat16)->Apply(Shapes);
BENCHMARK_TEMPLATE(BM_Method, ConvolutionMethod::kBfloat16WinogradTwo)->Apply(Shapes);
BENCHMARK_TEMPLATE(BM_Method, ConvolutionMethod::kBfloat16WinogradFour)->Apply(Shapes);

void BM_LibTorch(benchmark::State& state) {
  const Tensors tensors(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        at::conv2d(tensors.x, tensors.weight, tensors.bias, tensors.stride, tensors.padding));
  }
  CountFlops(state, tensors);
}
BENCHMARK(BM_LibTorch)->Apply(Shapes);

}  // namespace
}  // namespace rcnn::detection
