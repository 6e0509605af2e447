#include <ATen/core/Tensor.h>
#include <benchmark/benchmark.h>

#include "rcnn/ops/soft_nms.h"
#include "rcnn/ops/testing/boxes_like.h"

namespace rcnn::ops {
namespace {

void BM_RpnLike(benchmark::State& state) {
  const testing::ScoredBoxes all = testing::RpnLikeBoxes(state.range(0), 1);
  SoftNmsOptions options;
  options.decay = static_cast<SoftNmsOptions::Decay>(state.range(1));
  options.max_keep = state.range(2);
  for (auto _ : state) benchmark::DoNotOptimize(SoftNms(all.boxes, all.scores, options).kept);
}
BENCHMARK(BM_RpnLike)
    ->ArgNames({"boxes", "gaussian", "max_keep"})
    ->ArgsProduct({{300, 1000, 6000}, {0, 1}, {100, 100000}})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rcnn::ops
