// A 1280 x 960 image to 1066 x 800 normalised planes, compared with the same steps
// written with LibTorch's operators.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "rcnn/ops/preprocess.h"

namespace rcnn::ops {
namespace {

at::Tensor Image() { return at::randint(0, 256, {960, 1280, 3}, at::kByte); }

PreprocessOptions Options() {
  return {.height = 800,
          .width = 1066,
          .mean = {123.675, 116.28, 103.53},
          .std = {58.395, 57.12, 57.375}};
}

void IntoSlot(benchmark::State& state, at::MemoryFormat format) {
  const at::Tensor image = Image();
  const at::Tensor batch = at::empty({1, 3, 800, 1088}, at::TensorOptions().memory_format(format));
  for (auto _ : state) PreprocessInto(image, Options(), batch.select(0, 0));
}

// Float planes, F.interpolate, in-place normalisation, copy into the padded batch.
void Interpolate(benchmark::State& state) {
  const at::Tensor image = Image();
  const at::Tensor mean = at::tensor({123.675, 116.28, 103.53}, at::kFloat).view({1, 3, 1, 1});
  const at::Tensor std = at::tensor({58.395, 57.12, 57.375}, at::kFloat).view({1, 3, 1, 1});
  const at::Tensor batch = at::zeros({1, 3, 800, 1088});
  for (auto _ : state) {
    const at::Tensor planes = image.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat).contiguous();
    at::Tensor resized = at::upsample_bilinear2d(planes, {800, 1066}, /*align_corners=*/false);
    resized.sub_(mean).div_(std);
    batch.slice(3, 0, 1066).copy_(resized);
  }
}

// The same with the layout that F.interpolate is given by HWC bytes: channels last.
void InterpolateChannelsLast(benchmark::State& state) {
  const at::Tensor image = Image();
  const at::Tensor mean = at::tensor({123.675, 116.28, 103.53}, at::kFloat).view({1, 3, 1, 1});
  const at::Tensor std = at::tensor({58.395, 57.12, 57.375}, at::kFloat).view({1, 3, 1, 1});
  const at::Tensor batch = at::zeros({1, 3, 800, 1088});
  for (auto _ : state) {
    const at::Tensor pixels = image.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat);
    at::Tensor resized = at::upsample_bilinear2d(pixels, {800, 1066}, /*align_corners=*/false);
    resized.sub_(mean).div_(std);
    batch.slice(3, 0, 1066).copy_(resized);
  }
}

BENCHMARK_CAPTURE(IntoSlot, planes, at::MemoryFormat::Contiguous)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(IntoSlot, channels_last, at::MemoryFormat::ChannelsLast)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(Interpolate)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(InterpolateChannelsLast)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace rcnn::ops
