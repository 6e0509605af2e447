#include <ATen/ops/arange.h>
#include <benchmark/benchmark.h>

#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/box_voting.h"
#include "rcnn/ops/testing/boxes_like.h"

namespace rcnn::ops {
namespace {

// The load of one image's detections: 100 kept boxes.
void BM_AfterNms(benchmark::State& state) {
  const testing::ScoredBoxes all = testing::RpnLikeBoxes(state.range(0), 1);
  const at::Tensor classes = at::arange(state.range(0), at::kLong).remainder(state.range(1));
  const at::Tensor kept =
      BatchedNms(all.boxes, all.scores, classes, {.iou_threshold = 0.5, .max_keep = 100});
  for (auto _ : state) {
    benchmark::DoNotOptimize(VoteBoxes(all.boxes, all.scores, classes, kept, {}));
  }
}
BENCHMARK(BM_AfterNms)
    ->ArgNames({"boxes", "classes"})
    ->ArgsProduct({{1000, 6000, 64000}, {1, 20, 80}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace rcnn::ops
