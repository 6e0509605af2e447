#include <benchmark/benchmark.h>

#include "rcnn/ops/nms.h"
#include "rcnn/ops/testing/boxes_like.h"

namespace rcnn::ops {
namespace {

// Reports the time per pair of a kept box and a candidate, which the plain
// double loop holds constant.
void Run(benchmark::State& state, const testing::ScoredBoxes& all, const NmsOptions& options) {
  int64_t kept = 0;
  for (auto _ : state) kept = Nms(all.boxes, all.scores, options).size(0);
  const double pairs = static_cast<double>(kept) * static_cast<double>(all.boxes.size(0));
  state.counters["kept"] = static_cast<double>(kept);
  state.counters["s_per_pair"] = benchmark::Counter(
      pairs, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void BM_RpnLike(benchmark::State& state) {
  Run(state, testing::RpnLikeBoxes(state.range(0), 1),
      {.iou_threshold = static_cast<double>(state.range(1)) / 10});
}
BENCHMARK(BM_RpnLike)
    ->ArgNames({"boxes", "iou_x10"})
    ->ArgsProduct({{1000, 2000, 4000, 8000, 16000, 32000, 64000}, {3, 7}})
    ->Unit(benchmark::kMillisecond);

void BM_RpnLikeKeeping300(benchmark::State& state) {
  Run(state, testing::RpnLikeBoxes(state.range(0), 1), {.max_keep = 300});
}
BENCHMARK(BM_RpnLikeKeeping300)->Arg(6000)->Arg(12000)->Unit(benchmark::kMillisecond);

void BM_MillionSmallBoxes(benchmark::State& state) {
  Run(state, testing::UniformBoxes(1000000, 8000, 1000000, 1), {.iou_threshold = 0.5});
}
BENCHMARK(BM_MillionSmallBoxes)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rcnn::ops
