// IoU matrices and the validity check. compare_with_torchvision times torchvision's.
//   ./bazelw run //ops:boxes_benchmark

#include <ATen/core/Tensor.h>
#include <benchmark/benchmark.h>

#include "rcnn/ops/boxes.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/testing/random_boxes.h"

namespace rcnn::ops {
namespace {

at::Tensor SomeBoxes(int64_t count) {
  static at::Generator generator = testing::TestGenerator();
  return testing::RandomBoxes(count, generator).to(at::kFloat);
}

void BM_BoxIou(benchmark::State& state) {
  const at::Tensor a = SomeBoxes(state.range(0));
  const at::Tensor b = SomeBoxes(state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(BoxIou(a, b));
  state.SetItemsProcessed(state.iterations() * state.range(0) * state.range(1));
}

void BM_CheckBoxes(benchmark::State& state) {
  const at::Tensor boxes = SomeBoxes(state.range(0));
  for (auto _ : state) CheckBoxes(boxes, "boxes");
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void Sizes(benchmark::internal::Benchmark* b) {
  b->Args({12000, 20})->Args({2000, 2000})->UseRealTime()->Unit(benchmark::kMicrosecond);
}

BENCHMARK(BM_BoxIou)->Apply(Sizes);
BENCHMARK(BM_CheckBoxes)->Arg(12000)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace rcnn::ops
