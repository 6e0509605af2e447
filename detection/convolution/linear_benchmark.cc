// Fully connected layers in float32 and in bfloat16, compared with LibTorch's in float32 on the
// same tensors; and their gradients as the products of pointwise.h, which training does not use,
// because LibTorch's BLAS reads matrices as they are, too.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "rcnn/detection/convolution/bfloat16_linear.h"
#include "rcnn/detection/convolution/pointwise.h"
#include "rcnn/detection/convolution/row_product.h"

namespace rcnn::detection {
namespace {

// Arguments: rows, inputs, outputs. The layers of R50-FPN, of all RoIs and of a third of them, and
// of VGG16.
void Shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"rows", "in", "out"})
      ->Args({1000, 12544, 1024})
      ->Args({1000, 1024, 1024})
      ->Args({512, 12544, 1024})
      ->Args({334, 12544, 1024})
      ->Args({334, 1024, 1024})
      ->Args({334, 1024, 364})
      ->Args({300, 25088, 4096})
      ->Args({300, 4096, 4096})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

struct Tensors {
  explicit Tensors(const benchmark::State& state)
      : weight(at::randn({state.range(2), state.range(1)})),
        bias(at::randn({state.range(2)})),
        x(at::randn({state.range(0), state.range(1)})) {}

  at::Tensor weight, bias, x;
};

void CountFlops(benchmark::State& state, const Tensors& tensors) {
  const double count =
      2e-9 * static_cast<double>(tensors.weight.numel()) * static_cast<double>(tensors.x.size(0));
  state.counters["GFLOP/s"] =
      benchmark::Counter(count, benchmark::Counter::kIsIterationInvariantRate);
}

void BM_RowProduct(benchmark::State& state) {
  const Tensors tensors(state);
  RowProductOptions options;
  options.bias = tensors.bias.data_ptr<float>();
  options.relu = true;
  at::Tensor y = at::empty({state.range(0), state.range(2)});
  for (auto _ : state) {
    RowProduct({tensors.x.data_ptr<float>(), state.range(0)},
               {tensors.weight.data_ptr<float>(), state.range(2)}, state.range(1), options,
               y.data_ptr<float>());
  }
  CountFlops(state, tensors);
}
BENCHMARK(BM_RowProduct)->Apply(Shapes);

void BM_Bfloat16(benchmark::State& state) {
  const Tensors tensors(state);
  const Bfloat16Linear linear(tensors.weight.data_ptr<float>(), tensors.bias.data_ptr<float>(),
                              state.range(2), state.range(1));
  at::Tensor y = at::empty({state.range(0), state.range(2)});
  for (auto _ : state) {
    linear.Run(tensors.x.data_ptr<float>(), state.range(0), /*relu=*/true, y.data_ptr<float>());
  }
  CountFlops(state, tensors);
}
BENCHMARK(BM_Bfloat16)->Apply(Shapes);

void BM_LibTorch(benchmark::State& state) {
  const Tensors tensors(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(at::linear(tensors.x, tensors.weight, tensors.bias).relu_());
  }
  CountFlops(state, tensors);
}
BENCHMARK(BM_LibTorch)->Apply(Shapes);

// The gradients of `dy`, in training.
void BM_InputGradient(benchmark::State& state) {
  const Tensors tensors(state);
  const at::Tensor dy = at::randn({state.range(0), state.range(2)});
  at::Tensor dx = at::empty_like(tensors.x);
  for (auto _ : state) {
    PointwiseConvolution::ForOneRun(dy.data_ptr<float>(), MatrixOrder::kRows, nullptr,
                                    state.range(0), state.range(2))
        .Run(tensors.weight.data_ptr<float>(), 1, state.range(1), nullptr, /*relu=*/false,
             dx.data_ptr<float>());
  }
  CountFlops(state, tensors);
}
BENCHMARK(BM_InputGradient)->Apply(Shapes);

void BM_LibTorchInputGradient(benchmark::State& state) {
  const Tensors tensors(state);
  const at::Tensor dy = at::randn({state.range(0), state.range(2)});
  for (auto _ : state) benchmark::DoNotOptimize(at::mm(dy, tensors.weight));
  CountFlops(state, tensors);
}
BENCHMARK(BM_LibTorchInputGradient)->Apply(Shapes);

void BM_WeightGradient(benchmark::State& state) {
  const Tensors tensors(state);
  const at::Tensor dy = at::randn({state.range(0), state.range(2)});
  at::Tensor dw = at::empty_like(tensors.weight);
  for (auto _ : state) {
    PointwiseConvolution::ForOneRun(dy.data_ptr<float>(), MatrixOrder::kColumns, nullptr,
                                    state.range(2), state.range(0))
        .Run(tensors.x.data_ptr<float>(), 1, state.range(1), nullptr, /*relu=*/false,
             dw.data_ptr<float>());
  }
  CountFlops(state, tensors);
}
BENCHMARK(BM_WeightGradient)->Apply(Shapes);

void BM_LibTorchWeightGradient(benchmark::State& state) {
  const Tensors tensors(state);
  const at::Tensor dy = at::randn({state.range(0), state.range(2)});
  for (auto _ : state) benchmark::DoNotOptimize(at::mm(dy.t(), tensors.x));
  CountFlops(state, tensors);
}
BENCHMARK(BM_LibTorchWeightGradient)->Apply(Shapes);

}  // namespace
}  // namespace rcnn::detection
