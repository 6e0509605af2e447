// Drawing a generated image with its annotations, and the annotations alone.

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "benchmark/benchmark.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/shapes/shapes_dataset.h"

namespace rcnn::data {
namespace {

const Dataset& Shapes() {
  static const Dataset* const dataset = ShapesDataset::Create(configs::ShapesConfig())->release();
  return *dataset;
}

void BM_Load(benchmark::State& state) {
  int64_t index = state.thread_index();
  for (auto _ : state) {
    absl::StatusOr<Sample> sample = Shapes().Load(index);
    benchmark::DoNotOptimize(sample);
    index = (index + 1) % Shapes().size();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Load)->Threads(1)->Threads(2)->Unit(benchmark::kMillisecond)->UseRealTime();

void BM_Objects(benchmark::State& state) {
  int64_t index = 0;
  for (auto _ : state) {
    std::vector<Object> objects = Shapes().objects(index);
    benchmark::DoNotOptimize(objects);
    index = (index + 1) % Shapes().size();
  }
}
BENCHMARK(BM_Objects)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rcnn::data
