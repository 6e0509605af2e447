// The parts of a training convolution compared with LibTorch's own on the same tensors.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "rcnn/detection/convolution/training_convolution.h"
#include "rcnn/detection/convolution/training_patches.h"
#include "rcnn/detection/convolution/training_pointwise.h"
#include "rcnn/detection/convolution/winograd_weight_gradient.h"

namespace rcnn::detection {
namespace {

// Arguments: batch, channels in and out, height, width. The first five are of small networks on
// images of 160 pixels, down to where the choice between the two is close.
void Shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"n", "c", "h", "w"})
      ->Args({2, 32, 80, 80})
      ->Args({2, 64, 40, 40})
      ->Args({2, 128, 20, 20})
      ->Args({2, 192, 20, 20})
      ->Args({1, 192, 20, 20})
      ->Args({2, 64, 60, 80})
      ->Args({2, 128, 30, 40})
      ->Args({2, 256, 30, 40})
      ->Args({1, 64, 200, 272})
      ->Args({1, 128, 100, 136})
      ->Args({1, 256, 200, 272})
      ->Args({1, 256, 50, 68})
      ->Args({1, 512, 25, 34})
      ->Args({1, 64, 600, 1000})
      ->Args({1, 512, 75, 125})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

struct Tensors {
  explicit Tensors(const benchmark::State& state)
      : x(at::randn({state.range(0), state.range(1), state.range(2), state.range(3)})),
        dy(at::randn(x.sizes())),
        weight(at::randn({x.size(1), x.size(1), 3, 3})),
        shape{x.size(0), x.size(1), x.size(1), x.size(2), x.size(3)} {}

  at::Tensor x, dy, weight;
  ConvolutionShape shape;
};

// Counts all multiplications of the definition.
void CountFlops(benchmark::State& state, const Tensors& tensors) {
  const double count =
      2.0 * 9 * static_cast<double>(tensors.x.numel()) * static_cast<double>(tensors.x.size(1));
  state.counters["GFLOP/s"] =
      benchmark::Counter(count * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

// Includes the transform of the weights, which training does in every step.
void BM_Output(benchmark::State& state) {
  const Tensors t(state);
  for (auto _ : state) benchmark::DoNotOptimize(TrainingConvolution(t.x, t.weight, {}));
  CountFlops(state, t);
}
BENCHMARK(BM_Output)->Apply(Shapes);

void BM_LibTorchOutput(benchmark::State& state) {
  const Tensors t(state);
  for (auto _ : state) benchmark::DoNotOptimize(at::conv2d(t.x, t.weight, {}, 1, 1));
  CountFlops(state, t);
}
BENCHMARK(BM_LibTorchOutput)->Apply(Shapes);

void BM_WeightGradient(benchmark::State& state) {
  const Tensors t(state);
  at::Tensor dw = at::empty_like(t.weight);
  for (auto _ : state) {
    WinogradWeightGradient(t.x.data_ptr<float>(), t.dy.data_ptr<float>(), t.shape,
                           dw.data_ptr<float>());
  }
  CountFlops(state, t);
}
BENCHMARK(BM_WeightGradient)->Apply(Shapes);

void BM_LibTorchWeightGradient(benchmark::State& state) {
  const Tensors t(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(at::convolution_backward(t.dy, t.x, t.weight, c10::nullopt, {1, 1},
                                                      {1, 1}, {1, 1}, false, {0, 0}, 1,
                                                      {false, true, false}));
  }
  CountFlops(state, t);
}
BENCHMARK(BM_LibTorchWeightGradient)->Apply(Shapes);

// Arguments: channels in and out, height, width. The 1 x 1 convolutions of R50-FPN, the heaviest
// first; those of the RPN; and maps of few pixels, down to where the choice between the two is
// close.
void PointwiseShapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"c", "k", "h", "w"})
      ->Args({64, 256, 200, 272})
      ->Args({256, 64, 200, 272})
      ->Args({128, 512, 100, 136})
      ->Args({512, 128, 100, 136})
      ->Args({1024, 256, 50, 68})
      ->Args({512, 2048, 25, 34})
      ->Args({2048, 512, 25, 34})
      ->Args({256, 3, 200, 272})
      ->Args({256, 12, 200, 272})
      ->Args({256, 1024, 16, 32})
      ->Args({256, 1024, 16, 16})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

// The output and both gradients of `dy`; that of the input only if it `needs` one.
template <typename Convolve>
void TrainLayer(benchmark::State& state, const at::Tensor& x, const at::Tensor& weight,
                const at::Tensor& dy, bool needs, const Convolve& convolve) {
  const at::Tensor input = x.clone().requires_grad_(needs);
  const at::Tensor trained = weight.clone().requires_grad_();
  for (auto _ : state) {
    convolve(input, trained).backward(dy);
    input.mutable_grad() = at::Tensor();
    trained.mutable_grad() = at::Tensor();
  }
  const double products = needs ? 6.0 : 4.0;
  const double count =
      products * static_cast<double>(dy.numel()) * static_cast<double>(weight[0].numel());
  state.counters["GFLOP/s"] =
      benchmark::Counter(count * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

template <typename Convolve>
void TrainPointwise(benchmark::State& state, const Convolve& convolve) {
  TrainLayer(state, at::randn({1, state.range(0), state.range(2), state.range(3)}),
             at::randn({state.range(1), state.range(0), 1, 1}),
             at::randn({1, state.range(1), state.range(2), state.range(3)}), /*needs=*/true,
             convolve);
}

void BM_Pointwise(benchmark::State& state) {
  TrainPointwise(state, [](const at::Tensor& x, const at::Tensor& weight) {
    return TrainingPointwise(x, weight, {});
  });
}
BENCHMARK(BM_Pointwise)->Apply(PointwiseShapes);

void BM_LibTorchPointwise(benchmark::State& state) {
  TrainPointwise(
      state, [](const at::Tensor& x, const at::Tensor& weight) { return at::conv2d(x, weight); });
}
BENCHMARK(BM_LibTorchPointwise)->Apply(PointwiseShapes);

// Arguments: channels in and out, height, width, kernel, stride. Of R50-FPN: the convolutions with
// a stride, and the first one; of VGG16 the first one; and the smallest maps that are rcnn's.
void PatchShapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"c", "k", "h", "w", "size", "stride"})
      ->Args({128, 128, 200, 272, 3, 2})
      ->Args({256, 256, 100, 136, 3, 2})
      ->Args({512, 512, 50, 68, 3, 2})
      ->Args({256, 512, 200, 272, 1, 2})
      ->Args({512, 1024, 100, 136, 1, 2})
      ->Args({1024, 2048, 50, 68, 1, 2})
      ->Args({3, 64, 800, 1088, 7, 2})
      ->Args({3, 64, 600, 1000, 3, 1})
      ->Args({256, 256, 32, 32, 3, 2})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

// The images have no gradient.
template <typename Convolve>
void TrainPatches(benchmark::State& state, const Convolve& convolve) {
  const int64_t size = state.range(4), stride = state.range(5), padding = size / 2;
  const auto outputs = [&](int64_t pixels) { return (pixels + 2 * padding - size) / stride + 1; };
  TrainLayer(state, at::randn({1, state.range(0), state.range(2), state.range(3)}),
             at::randn({state.range(1), state.range(0), size, size}),
             at::randn({1, state.range(1), outputs(state.range(2)), outputs(state.range(3))}),
             /*needs=*/state.range(0) > 3, [&](const at::Tensor& x, const at::Tensor& weight) {
               return convolve(x, weight, stride, padding);
             });
}

void BM_Patches(benchmark::State& state) {
  TrainPatches(state,
               [](const at::Tensor& x, const at::Tensor& weight, int64_t stride, int64_t padding) {
                 return TrainingPatches(x, weight, {}, stride, padding);
               });
}
BENCHMARK(BM_Patches)->Apply(PatchShapes);

void BM_LibTorchPatches(benchmark::State& state) {
  TrainPatches(state, [](const at::Tensor& x, const at::Tensor& weight, int64_t stride,
                         int64_t padding) { return at::conv2d(x, weight, {}, stride, padding); });
}
BENCHMARK(BM_LibTorchPatches)->Apply(PatchShapes);

}  // namespace
}  // namespace rcnn::detection
