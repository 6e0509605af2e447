// From image files to the model's input: per image on one and on several threads,
// and through the loader with a consumer that does nothing.
//
// The images are those of the folder that RCNN_BENCHMARK_IMAGES names (up to 64
// JPEG or PNG files), resized by the rule of 600 and 1000 pixels.
// tools/peers/compare_loading_with_torchvision.py runs this alternately with
// torchvision.

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "rcnn/data/core/cached_dataset.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/loader/loader.h"

namespace rcnn::data {
namespace {

// The images of a folder, without annotations.
class FolderDataset : public Dataset {
 public:
  explicit FolderDataset(const std::string& folder) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".jpg" || extension == ".png") paths_.push_back(entry.path().string());
    }
    std::sort(paths_.begin(), paths_.end());
    if (paths_.size() > 64) paths_.resize(64);
    for (const std::string& path : paths_) {
      const absl::StatusOr<Image> image = ReadImage(path);
      ImageInfo info;
      info.id = static_cast<int64_t>(infos_.size());
      info.name = info.path = path;
      if (image.ok()) {
        info.width = image->width();
        info.height = image->height();
      }
      infos_.push_back(info);
    }
  }

  int64_t size() const override { return static_cast<int64_t>(infos_.size()); }
  const ClassList& classes() const override { return classes_; }
  ImageInfo image(int64_t index) const override { return infos_[index]; }
  std::vector<Object> objects(int64_t) const override { return {}; }
  absl::StatusOr<std::shared_ptr<const Image>> LoadImage(int64_t index) const override {
    absl::StatusOr<Image> image = ReadImage(infos_[index].path);
    if (!image.ok()) return image.status();
    return std::make_shared<const Image>(*std::move(image));
  }
  const std::string& fingerprint() const override { return fingerprint_; }
  const DefectReport& defects() const override { return defects_; }

 private:
  std::vector<std::string> paths_;
  std::vector<ImageInfo> infos_;
  ClassList classes_;
  std::string fingerprint_;
  DefectReport defects_;
};

std::shared_ptr<const Dataset> Images() {
  static const auto* dataset = [] {
    const char* folder = std::getenv("RCNN_BENCHMARK_IMAGES");
    return new std::shared_ptr<const Dataset>(
        folder == nullptr ? nullptr : std::make_shared<FolderDataset>(folder));
  }();
  return *dataset;
}

LoaderOptions Options(LoaderMode mode) {
  LoaderOptions options;
  options.batches.mode = mode;
  options.batches.transform.mutable_resize()->add_shortest_side_px(600);
  options.batches.transform.mutable_resize()->set_longest_side_px(1000);
  options.contents.normalization.set_scale(1.0 / 255);
  for (const double mean : {0.485, 0.456, 0.406}) {
    options.contents.normalization.add_mean(mean);
  }
  for (const double std : {0.229, 0.224, 0.225}) options.contents.normalization.add_std(std);
  return options;
}

// Each thread of the benchmark has its own images.
void BM_DecodeResizeNormalise(benchmark::State& state) {
  const std::shared_ptr<const Dataset> dataset = Images();
  if (dataset == nullptr || dataset->size() == 0) {
    state.SkipWithError("RCNN_BENCHMARK_IMAGES names no folder with images");
    return;
  }
  at::set_num_threads(1);
  const LoaderOptions options = Options(LoaderMode::kEvaluation);
  BatchPlanner planner = *BatchPlanner::Create(dataset, options.batches);
  const auto builder = *BatchBuilder::Create(dataset, options.contents);
  int64_t next = state.thread_index();
  for (auto _ : state) {
    const BatchPlan plan = *planner.Plan(next % dataset->size());
    Batch batch = *builder->Allocate(plan);
    if (!builder->Fill(plan, 0, batch).ok()) state.SkipWithError("an image cannot be read");
    benchmark::DoNotOptimize(batch.images.data_ptr<float>());
    next += state.threads();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_DecodeResizeNormalise)
    ->ThreadRange(1, 2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// range(0): workers; range(1): MiB of cache.
void BM_LoaderNoOpConsumer(benchmark::State& state) {
  const std::shared_ptr<const Dataset> images = Images();
  if (images == nullptr || images->size() == 0) {
    state.SkipWithError("RCNN_BENCHMARK_IMAGES names no folder with images");
    return;
  }
  const auto dataset = std::make_shared<CachedDataset>(images, int64_t{state.range(1)} << 20);
  LoaderOptions options = Options(LoaderMode::kTraining);
  options.batches.transform.set_flip(configs::TransformConfig::AT_RANDOM);
  options.batches.batching.set_images_per_batch(2);
  options.resources.set_workers(static_cast<int>(state.range(0)));
  const std::unique_ptr<Loader> loader = *Loader::Create(dataset, options);
  for (int64_t i = 0; i < loader->batches_per_epoch(); ++i) {
    if (!loader->Next().ok()) state.SkipWithError("an image cannot be read");
  }
  for (auto _ : state) benchmark::DoNotOptimize(loader->Next());
  state.SetItemsProcessed(2 * state.iterations());
}
BENCHMARK(BM_LoaderNoOpConsumer)
    ->ArgNames({"workers", "cache_mib"})
    ->ArgsProduct({{0, 1, 2}, {0}})
    ->Args({1, 1024})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rcnn::data
