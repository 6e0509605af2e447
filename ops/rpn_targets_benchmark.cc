// The targets that train a region proposal network on one image: the single steps, and all of them.
// Also decoding, the inverse step of inference, and the sampler that draws from a generator beside
// the one that training uses.
//   ./bazelw run //ops:rpn_targets_benchmark

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/rand.h>
#include <benchmark/benchmark.h>

#include <vector>

#include "rcnn/ops/anchors.h"
#include "rcnn/ops/balanced_sampler.h"
#include "rcnn/ops/box_coder.h"
#include "rcnn/ops/counter_sampler.h"
#include "rcnn/ops/matcher.h"
#include "rcnn/ops/testing/random_boxes.h"

namespace rcnn::ops {
namespace {

// 600 x 1000 pixels at stride 16: 21,546 anchors.
constexpr GridSize kGrid = {.height = 38, .width = 63};
constexpr ImageSize kImage = {.height = 600, .width = 1000};

at::Tensor Anchors() {
  return AnchorGenerator(std::vector<AnchorLevelOptions>(1)).Generate({kGrid});
}

// In a square of 600 pixels, so inside kImage.
at::Tensor GtBoxes(int64_t count) {
  return testing::RandomBoxes(count, testing::TestGenerator(), {.extent_px = 400}).to(at::kFloat);
}

void BM_PlaceAnchors(benchmark::State& state) {
  const at::Tensor base = BaseAnchors({});
  for (auto _ : state) benchmark::DoNotOptimize(PlaceAnchors(base, kGrid, 16, 16));
}

void BM_InsideImage(benchmark::State& state) {
  const at::Tensor anchors = Anchors();
  for (auto _ : state) benchmark::DoNotOptimize(InsideImage(anchors, kImage));
}

void BM_MatchBoxes(benchmark::State& state) {
  const at::Tensor anchors = Anchors();
  const at::Tensor gt_boxes = GtBoxes(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(MatchBoxes(anchors, gt_boxes, {}));
}

// 100 positives, and a tenth that is never sampled.
at::Tensor Labels(int64_t rows) {
  at::Tensor labels = at::rand({rows}, testing::TestGenerator()).lt(0.1).to(at::kLong).neg();
  labels.slice(0, 0, rows, rows / 100).fill_(1);
  return labels;
}

void BM_SampleBalanced(benchmark::State& state) {
  const at::Tensor labels = Labels(state.range(0));
  at::Generator generator = testing::TestGenerator();
  for (auto _ : state) benchmark::DoNotOptimize(SampleBalanced(labels, {}, generator));
}

void BM_SampleByCounters(benchmark::State& state) {
  const at::Tensor labels = Labels(state.range(0));
  uint64_t key = 0;
  for (auto _ : state) benchmark::DoNotOptimize(SampleImageByCounters(labels, 1, ++key, {}));
}

void BM_DecodeBoxes(benchmark::State& state) {
  const at::Tensor anchors = Anchors();
  const at::Tensor deltas = anchors / 1000;  // within (-1, 2)
  for (auto _ : state) benchmark::DoNotOptimize(DecodeBoxes(anchors, deltas));
}

void BM_RpnTargets(benchmark::State& state) {
  const AnchorGenerator anchor_generator(std::vector<AnchorLevelOptions>(1));
  const at::Tensor gt_boxes = GtBoxes(state.range(0));
  uint64_t key = 0;
  for (auto _ : state) {
    const at::Tensor anchors = anchor_generator.Generate({kGrid});
    const at::Tensor inside = InsideImage(anchors, kImage);
    const Matches matches = MatchBoxes(anchors, gt_boxes, {}, c10::nullopt, inside);
    const BalancedSample sample = SampleImageByCounters(matches.labels, 1, ++key, {});
    const at::Tensor gt_index = matches.gt_index.index_select(0, sample.positive);
    benchmark::DoNotOptimize(
        EncodeBoxes(anchors.index_select(0, sample.positive), gt_boxes.index_select(0, gt_index)));
  }
}

BENCHMARK(BM_PlaceAnchors)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_InsideImage)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_MatchBoxes)->Arg(1)->Arg(20)->Arg(100)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_SampleBalanced)
    ->Arg(2000)
    ->Arg(21546)
    ->Arg(268569)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_SampleByCounters)
    ->Arg(2000)
    ->Arg(21546)
    ->Arg(268569)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_DecodeBoxes)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_RpnTargets)->Arg(20)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace rcnn::ops
