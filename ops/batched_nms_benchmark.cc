#include <ATen/ops/arange.h>
#include <benchmark/benchmark.h>

#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/testing/boxes_like.h"

namespace rcnn::ops {
namespace {

void BM_RpnLike(benchmark::State& state) {
  const testing::ScoredBoxes all = testing::RpnLikeBoxes(state.range(0), 1);
  const at::Tensor classes = at::arange(state.range(0), at::kLong).remainder(state.range(1));
  int64_t kept = 0;
  for (auto _ : state) {
    kept = BatchedNms(all.boxes, all.scores, classes, {.iou_threshold = 0.5}).size(0);
  }
  state.counters["kept"] = static_cast<double>(kept);
}
BENCHMARK(BM_RpnLike)
    ->ArgNames({"boxes", "classes"})
    ->ArgsProduct({{1000, 6000, 64000}, {1, 20, 80}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace rcnn::ops
