// The pyramid of a wide and a tall image: padded to one tensor, and each in its own size.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>

#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kShort = 480, kLong = 800;

std::shared_ptr<FasterRcnn> Model() {
  configs::ModelConfig config;
  config.mutable_backbone()->mutable_resnet()->set_depth(configs::ResNetConfig::RESNET_50);
  config.mutable_fpn();
  auto model = FasterRcnn::Create(config, 1).value();
  ResetParameters(*model, at::detail::createCPUGenerator(7));
  return model;
}

at::Tensor Padded() { return at::zeros({2, 3, kLong, kLong}); }
BatchMap Cut() { return CutImages(Padded(), {{kShort, kLong}, {kLong, kShort}}); }

void Infer(benchmark::State& state, const BatchMap& images) {
  const at::NoGradGuard no_grad;
  const auto model = Model();
  model->eval();
  PrepareForInference(*model);
  for (auto _ : state) benchmark::DoNotOptimize(model->Features(images));
}

void Train(benchmark::State& state, const BatchMap& images) {
  const auto model = Model();
  for (auto _ : state) {
    at::Tensor loss = at::zeros({});
    for (const FeatureMaps& part : model->Features(images).parts) {
      for (const at::Tensor& map : part.levels) loss = loss + map.sum();
    }
    loss.backward();
  }
}

void BM_InferPadded(benchmark::State& state) { Infer(state, Padded()); }
BENCHMARK(BM_InferPadded)->Unit(benchmark::kMillisecond)->UseRealTime();

void BM_InferCut(benchmark::State& state) { Infer(state, Cut()); }
BENCHMARK(BM_InferCut)->Unit(benchmark::kMillisecond)->UseRealTime();

void BM_TrainPadded(benchmark::State& state) { Train(state, Padded()); }
BENCHMARK(BM_TrainPadded)->Unit(benchmark::kMillisecond)->UseRealTime();

void BM_TrainCut(benchmark::State& state) { Train(state, Cut()); }
BENCHMARK(BM_TrainCut)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace rcnn::detection
