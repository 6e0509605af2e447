#include "rcnn/detection/detector.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/batch_memory.h"
#include "rcnn/base/cuda_float32_scope.h"
#include "rcnn/base/device_graph.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/detection_memory.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/graphed_network.h"
#include "rcnn/detection/input_batch.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/model_directory.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/detection/packed_cache.h"
#include "rcnn/ops/boxes.h"

namespace rcnn::detection {
namespace {

absl::Status CheckDetects(const configs::DetectorConfig& config) {
  if (config.model().has_rpn() && config.model().has_head()) return absl::OkStatus();
  return absl::InvalidArgumentError("a detector needs model.rpn and model.head");
}

absl::Status CheckIsLargeEnough(const ops::ImageSize& size, int64_t min_side_px) {
  if (std::min(size.height, size.width) >= min_side_px) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("after resizing, the image has ", size.height, " x ", size.width,
                   " pixels (height x width); this network needs at least ", min_side_px));
}

// One for all detectors on a GPU, because they may be destroyed in any order: the last one restores
// what was set before the first.
std::shared_ptr<const CudaFloat32Scope> ShareStrictFloat32() {
  static auto& mutex = *new absl::Mutex();
  static auto& shared = *new std::weak_ptr<const CudaFloat32Scope>();
  const absl::MutexLock lock(&mutex);
  std::shared_ptr<const CudaFloat32Scope> scope = shared.lock();
  if (scope == nullptr) {
    scope = std::make_shared<const CudaFloat32Scope>(/*allow_tf32=*/false);
    shared = scope;
  }
  return scope;
}

// Packs the weights of `model`, layer by layer, and keeps them in the cache if there is one.
void Prepare(FasterRcnn& model, const DetectorOptions& options, const PackedCache& cache) {
  model.eval();
  MoveToDevice(model, options.device);
  PrepareForInference(model, {options.precision, /*drop_weights=*/!cache.enabled()});
  cache.Keep(model);
  DropWeights(model);
}

}  // namespace

class Detector::Engine {
 public:
  // `model` is on the device of `options` and prepared for inference.
  Engine(std::shared_ptr<FasterRcnn> model, const DetectorOptions& options)
      : model_(std::move(model)), options_(options) {
    if (!device().is_cpu()) strict_ = ShareStrictFloat32();
    const bool has_graphs = FindDeviceGraphLibrary(device().type()) != nullptr;
    if (has_graphs && options.max_graphs > 0) graphed_.emplace(*model_, options.max_graphs);
  }

  const c10::Device& device() const { return options_.device; }

  int64_t min_side_px() const { return model_->backbone()->min_side_px(); }

  // Throws c10::Error and std::bad_alloc.
  int64_t EstimateBytes(int64_t input_pixels) const {
    const absl::MutexLock lock(&mutex_);
    if (!memory_) memory_ = DetectionMemory::Measure(*model_);
    return memory_->Bytes(input_pixels);
  }

  // See GraphedFunction.
  void FreeGraphs() const {
    if (graphed_) graphed_->FreeGraphs();
  }
  int64_t num_freed_graphs() const { return graphed_ ? graphed_->num_freed() : 0; }

  // Throws c10::Error and std::bad_alloc.
  std::vector<Detections> Run(InputBatch batch) const {
    BatchMap images = CutImages(batch.images, batch.padded_sizes);
    // Freed after the first layer.
    batch.images = at::Tensor();
    std::optional<AutocastScope> autocast;
    if (!device().is_cpu() && options_.precision == Precision::kBfloat16) {
      autocast.emplace(device().type(), at::kBFloat16);
    }
    if (graphed_) return graphed_->Detect(std::move(images), batch.sizes, batch.original_sizes);
    return model_->Detect(std::move(images), batch.sizes, batch.original_sizes);
  }

 private:
  std::shared_ptr<FasterRcnn> model_;
  DetectorOptions options_;
  std::shared_ptr<const CudaFloat32Scope> strict_;  // on a GPU
  mutable std::optional<GraphedNetwork> graphed_;
  mutable absl::Mutex mutex_;
  mutable std::optional<DetectionMemory> memory_ ABSL_GUARDED_BY(mutex_);
};

Detector::Detector(configs::DetectorConfig config, std::unique_ptr<Engine> engine)
    : config_(std::move(config)),
      class_names_(config_.class_name().begin(), config_.class_name().end()),
      engine_(std::move(engine)) {}

Detector::~Detector() = default;

absl::StatusOr<std::unique_ptr<Detector>> Detector::Load(const std::string& path,
                                                         const DetectorOptions& options) {
  RCNN_ASSIGN_OR_RETURN(ModelDirectory files, ReadModelDirectory(path));
  RCNN_ASSIGN_OR_RETURN(auto detector,
                        Create(files.config, std::move(files.weights), options,
                               {files.weights_path, files.weights_state}),
                        path);
  return detector;
}

absl::StatusOr<std::unique_ptr<Detector>> Detector::Create(const configs::DetectorConfig& config,
                                                           weights::StateDict weights,
                                                           const DetectorOptions& options,
                                                           const WeightsOrigin& origin) {
  RCNN_RETURN_IF_ERROR(CheckDetects(config));
  // On a GPU nothing is packed.
  const PackedCache cache(options.device.is_cpu() ? options.cache : PackedCacheOptions(), origin,
                          config, options.precision);
  std::shared_ptr<FasterRcnn> model = cache.Find();
  const bool found = model != nullptr;
  if (!found) {
    const auto memory = options.device.is_cpu() ? WeightsMemory::kBorrowed : WeightsMemory::kOwn;
    RCNN_ASSIGN_OR_RETURN(model, MakeTrainedModel(config, weights, memory));
  }
  weights = {};
  return CatchExceptions([&]() -> absl::StatusOr<std::unique_ptr<Detector>> {
    if (!found) Prepare(*model, options, cache);
    return std::unique_ptr<Detector>(
        new Detector(config, std::make_unique<Engine>(std::move(model), options)));
  });
}

absl::StatusOr<int64_t> Detector::EstimateBytes(int64_t height, int64_t width) const {
  return CatchExceptions([&]() -> absl::StatusOr<int64_t> {
    if (!engine_->device().is_cpu()) return 0;
    const int64_t pixels = CountInputPixels(height, width, config_.input());
    return pixels < kManyInputPixels ? 0 : engine_->EstimateBytes(pixels);
  });
}

absl::StatusOr<std::vector<Detections>> Detector::DetectBatch(
    const std::vector<at::Tensor>& images) const {
  const int64_t freed = engine_->num_freed_graphs();
  absl::StatusOr<std::vector<Detections>> found = TryBatch(images);
  if (!absl::IsResourceExhausted(found.status())) return found;
  engine_->FreeGraphs();
  return engine_->num_freed_graphs() == freed ? found : TryBatch(images);
}

absl::StatusOr<std::vector<Detections>> Detector::TryBatch(
    const std::vector<at::Tensor>& images) const {
  RCNN_ASSIGN_OR_RETURN(
      InputBatch batch,
      MakeInputBatch(images, config_.input(), config_.model().normalization(), engine_->device()));
  for (const ops::ImageSize& size : batch.padded_sizes) {
    RCNN_RETURN_IF_ERROR(CheckIsLargeEnough(size, engine_->min_side_px()));
  }
  const std::vector<int64_t> shape = batch.images.sizes().vec();
  absl::StatusOr<std::vector<Detections>> found = CatchExceptions(
      [&]() -> absl::StatusOr<std::vector<Detections>> { return engine_->Run(std::move(batch)); });
  if (found.ok() || engine_->device().is_cpu()) return found;
  return WithBatch(found.status(), engine_->device(), shape, kBatchMemoryAdvice);
}

absl::StatusOr<Detections> Detector::Detect(const at::Tensor& image) const {
  RCNN_ASSIGN_OR_RETURN(std::vector<Detections> all, DetectBatch({image}));
  return std::move(all.front());
}

}  // namespace rcnn::detection
