// RoIAlign over a feature pyramid of an 800 x 1088 image, 256 channels, 7 x 7 bins,
// sampling ratio 2, compared with the same steps written with torchvision's
// operator where it is installed: choose the rows of a level, pool them, put them
// back.
//
// Argument: RoIs.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <vector>

#include "rcnn/ops/multilevel_roi_align.h"
#include "rcnn/ops/testing/random_rois.h"
#include "rcnn/ops/testing/torchvision.h"

namespace rcnn::ops {
namespace {

struct Work {
  Work(int64_t count, at::MemoryFormat format) {
    for (const int64_t stride : {4, 8, 16, 32}) {
      maps.push_back(testing::RandomMap({1, 256, 800 / stride, 1088 / stride}, at::kFloat, stride)
                         .contiguous(format));
      options.spatial_scales.push_back(1.0 / static_cast<double>(stride));
    }
    options.sampling_ratio = 2;
    const at::Tensor large = testing::RandomRois({count / 4, 1, 800, 1088, 0}, 2);
    at::Tensor small = testing::RandomRois({count - count / 4, 1, 800, 1088, 0}, 3);
    small.slice(1, 3, 5).copy_(small.slice(1, 1, 3) +
                               (small.slice(1, 3, 5) - small.slice(1, 1, 3)) / 6);
    rois = at::cat({large, small}).to(at::kFloat);
  }
  std::vector<at::Tensor> maps;
  at::Tensor rois;
  MultilevelRoiAlignOptions options;
};

void Forward(benchmark::State& state, at::MemoryFormat format) {
  const Work work(state.range(0), format);
  for (auto _ : state) {
    benchmark::DoNotOptimize(MultilevelRoiAlign(work.maps, work.rois, work.options));
  }
}

at::Tensor WithTorchvision(const Work& work) {
  const at::Tensor levels = FpnLevels(work.rois, {});
  const at::Tensor output = at::zeros({work.rois.size(0), 256, 7, 7});
  for (int64_t level = 0; level < 4; ++level) {
    const at::Tensor rows = levels.eq(level).nonzero().view(-1);
    const testing::TorchvisionRoiOptions options{work.options.spatial_scales[level], 7, 7, 2, true};
    output.index_put_({rows}, testing::TorchvisionRoiAlign(
                                  work.maps[level], work.rois.index_select(0, rows), options));
  }
  return output;
}

void TorchvisionForward(benchmark::State& state) {
  if (!testing::LoadTorchvision().ok()) return state.SkipWithError("torchvision is not installed");
  const Work work(state.range(0), at::MemoryFormat::Contiguous);
  for (auto _ : state) benchmark::DoNotOptimize(WithTorchvision(work));
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(10)->Arg(1000)->Unit(benchmark::kMillisecond)->UseRealTime();
}

BENCHMARK_CAPTURE(Forward, planes, at::MemoryFormat::Contiguous)->Apply(Sizes);
BENCHMARK_CAPTURE(Forward, channels_last, at::MemoryFormat::ChannelsLast)->Apply(Sizes);
BENCHMARK(TorchvisionForward)->Apply(Sizes);

}  // namespace
}  // namespace rcnn::ops
