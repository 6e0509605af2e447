#include "rcnn/training/trainer/frozen_features.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/ops/boxes.h"
#include "rcnn/training/trainer/batch_targets.h"
#include "rcnn/training/trainer/small_images.h"

namespace rcnn::training {
namespace {

using ImageMaps = std::vector<at::Tensor>;  // [1, C, H_l, W_l] of each level

// The maps of images of one size as one part.
detection::FeatureMaps Stack(const std::vector<ImageMaps>& images, const ops::ImageSize& size) {
  detection::FeatureMaps stacked = {images.front(), size.height, size.width};
  if (images.size() == 1) return stacked;
  for (size_t level = 0; level < stacked.levels.size(); ++level) {
    std::vector<at::Tensor> maps;
    for (const ImageMaps& image : images) maps.push_back(image[level]);
    stacked.levels[level] = at::cat(maps);
  }
  return stacked;
}

// The image of row `slot` of batch.images.
const data::BatchImage& OwnEntry(const data::Batch& batch, size_t slot) {
  return batch.entries[static_cast<size_t>(batch.own_begin) + slot];
}

// Copies the tensors that the maps depend on, including buffers of batch norms.
std::vector<at::Tensor> CopyWeights(const detection::FasterRcnn& model) {
  std::vector<at::Tensor> weights;
  const auto add = [&](const torch::nn::Module& part) {
    for (const auto& entry : detection::weights::ModuleState(part)) weights.push_back(entry.tensor);
  };
  add(*model.backbone());
  if (model.fpn() != nullptr) add(*model.fpn());
  return weights;
}

FeatureCache::Key MakeKey(const data::BatchImage& entry) {
  return {entry.info.id, entry.info.flipped, entry.info.flipped_vertically,
          entry.height,  entry.width,        entry.scale_y,
          entry.scale_x};
}

// The images of a batch that this process takes are of one size.
bool HaveOneSize(const data::Batch& batch) {
  const ops::ImageSize first = SizeOfInput(OwnEntry(batch, 0));
  for (size_t b = 1; b < static_cast<size_t>(batch.images.size(0)); ++b) {
    const ops::ImageSize size = SizeOfInput(OwnEntry(batch, b));
    if (size.height != first.height || size.width != first.width) return false;
  }
  return true;
}

}  // namespace

bool HasFrozenFeatures(const detection::FasterRcnn& model) {
  return detection::IsFrozen(*model.backbone()) &&
         (model.fpn() == nullptr || detection::IsFrozen(*model.fpn()));
}

FrozenFeatures::FrozenFeatures(std::shared_ptr<detection::FasterRcnn> model,
                               FrozenFeaturesOptions options)
    : model_(std::move(model)),
      device_(detection::ModuleDevice(*model_)),
      options_(std::move(options)) {
  if (options_.cache == nullptr) options_.cache = std::make_shared<FeatureCache>();
  options_.cache->Claim(CopyWeights(*model_), options_.transform);
}

bool FrozenFeatures::HasCachedMaps(const detection::FasterRcnn& model,
                                   const FrozenFeaturesOptions& options) {
  return options.max_bytes > 0 && options.cache != nullptr &&
         options.cache->Matches(CopyWeights(model), options.transform);
}

detection::BatchFeatures FrozenFeatures::Maps(const data::Batch& batch) {
  std::vector<ImageMaps> images(static_cast<size_t>(batch.images.size(0)));
  std::vector<size_t> missing;
  for (size_t b = 0; b < images.size(); ++b) {
    const std::vector<at::Tensor>* kept = Find(OwnEntry(batch, b));
    if (kept != nullptr) {
      ++hits_;
      images[b] = *kept;
    } else {
      missing.push_back(b);
    }
  }
  ComputeEach(batch, missing, images);
  for (const size_t b : missing) {
    options_.cache->Insert(MakeKey(OwnEntry(batch, b)), images[b], options_.max_bytes);
  }
  if (HaveOneSize(batch)) return Stack(images, SizeOfInput(OwnEntry(batch, 0)));
  detection::BatchFeatures maps;
  for (size_t b = 0; b < images.size(); ++b) {
    maps.parts.push_back(Stack({images[b]}, SizeOfInput(OwnEntry(batch, b))));
  }
  return maps;
}

const std::vector<at::Tensor>* FrozenFeatures::Find(const data::BatchImage& entry) const {
  return options_.max_bytes > 0 ? options_.cache->Find(MakeKey(entry)) : nullptr;
}

bool FrozenFeatures::IsCached(const data::BatchImage& entry) const {
  return Find(entry) != nullptr;
}

void FrozenFeatures::Pack() {
  if (is_packed_) return;
  detection::PrepareForInference(*model_->backbone());
  if (model_->fpn() != nullptr) detection::PrepareForInference(*model_->fpn());
  is_packed_ = true;
}

void FrozenFeatures::ComputeEach(const data::Batch& batch, const std::vector<size_t>& slots,
                                 std::vector<std::vector<at::Tensor>>& images) {
  if (!slots.empty()) Pack();
  const auto compute = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const size_t slot = slots[static_cast<size_t>(i)];
      images[slot] = Compute(batch, slot);
    }
  };
  const auto count = static_cast<int64_t>(slots.size());
  if (AreSmall(batch) && device_.is_cpu()) {
    at::parallel_for(0, count, 1, compute);
  } else {
    compute(0, count);
  }
}

std::vector<at::Tensor> FrozenFeatures::Compute(const data::Batch& batch, size_t slot) const {
  at::NoGradGuard no_grad;
  const data::BatchImage& entry = OwnEntry(batch, slot);
  TORCH_CHECK(entry.has_pixels, entry.info.name, " has neither maps nor pixels");
  const at::Tensor image = MakeImage(batch, static_cast<int64_t>(slot), device_);
  std::vector<at::Tensor> maps = model_->Features(detection::BatchMap(image)).parts.front().levels;
  // In a short type under autocast; a later stage may use the maps without it.
  for (at::Tensor& map : maps) {
    if (map.element_size() < 4) map = map.to(at::kFloat);
  }
  return maps;
}

std::function<bool(const data::BatchImage&)> PixelsNeeded(
    std::shared_ptr<const FrozenFeatures> features) {
  if (features == nullptr) return nullptr;
  return [features](const data::BatchImage& entry) { return !features->IsCached(entry); };
}

}  // namespace rcnn::training
