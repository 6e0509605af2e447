#include "rcnn/detection/detector.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/detection_memory.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/input_batch.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/model_directory.h"
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

}  // namespace

class Detector::Engine {
 public:
  Engine(std::shared_ptr<FasterRcnn> model, const DetectorOptions& options)
      : model_(std::move(model)) {
    model_->eval();
    PrepareForInference(*model_, {options.precision, /*drop_weights=*/true});
  }

  int64_t min_side_px() const { return model_->backbone()->min_side_px(); }

  // Throws c10::Error and std::bad_alloc.
  int64_t EstimateBytes(int64_t input_pixels) const {
    const absl::MutexLock lock(&mutex_);
    if (!memory_) memory_ = DetectionMemory::Measure(*model_);
    return memory_->Bytes(input_pixels);
  }

  // Throws c10::Error and std::bad_alloc.
  std::vector<Detections> Run(const InputBatch& batch) const {
    return model_->Detect(CutImages(batch.images, batch.padded_sizes), batch.sizes,
                          batch.original_sizes);
  }

 private:
  std::shared_ptr<FasterRcnn> model_;
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
  RCNN_ASSIGN_OR_RETURN(auto detector, Create(files.config, std::move(files.weights), options),
                        path);
  return detector;
}

absl::StatusOr<std::unique_ptr<Detector>> Detector::Create(const configs::DetectorConfig& config,
                                                           weights::StateDict weights,
                                                           const DetectorOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckDetects(config));
  RCNN_ASSIGN_OR_RETURN(auto model, MakeTrainedModel(config, weights));
  weights = {};
  return CatchExceptions([&]() -> absl::StatusOr<std::unique_ptr<Detector>> {
    return std::unique_ptr<Detector>(
        new Detector(config, std::make_unique<Engine>(std::move(model), options)));
  });
}

absl::StatusOr<int64_t> Detector::EstimateBytes(int64_t height, int64_t width) const {
  return CatchExceptions([&]() -> absl::StatusOr<int64_t> {
    const int64_t pixels = CountInputPixels(height, width, config_.input());
    return pixels < kManyInputPixels ? 0 : engine_->EstimateBytes(pixels);
  });
}

absl::StatusOr<std::vector<Detections>> Detector::DetectBatch(
    const std::vector<at::Tensor>& images) const {
  RCNN_ASSIGN_OR_RETURN(const InputBatch batch,
                        MakeInputBatch(images, config_.input(), config_.model().normalization()));
  for (const ops::ImageSize& size : batch.padded_sizes) {
    RCNN_RETURN_IF_ERROR(CheckIsLargeEnough(size, engine_->min_side_px()));
  }
  return CatchExceptions(
      [&]() -> absl::StatusOr<std::vector<Detections>> { return engine_->Run(batch); });
}

absl::StatusOr<Detections> Detector::Detect(const at::Tensor& image) const {
  RCNN_ASSIGN_OR_RETURN(std::vector<Detections> all, DetectBatch({image}));
  return std::move(all.front());
}

}  // namespace rcnn::detection
