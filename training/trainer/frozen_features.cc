#include "rcnn/training/trainer/frozen_features.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/training/trainer/small_images.h"

namespace rcnn::training {
namespace {

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Maps [1, C, H_b, W_b] of each image as one [B, C, height, width].
at::Tensor Stack(const std::vector<std::vector<at::Tensor>>& images, size_t level, int64_t height,
                 int64_t width) {
  const at::Tensor& first = images.front()[level];
  if (images.size() == 1 && first.size(2) == height && first.size(3) == width) return first;
  at::Tensor all = at::zeros({static_cast<int64_t>(images.size()), first.size(1), height, width},
                             first.options());
  for (size_t b = 0; b < images.size(); ++b) {
    const at::Tensor& map = images[b][level];
    all[static_cast<int64_t>(b)].narrow(1, 0, map.size(2)).narrow(2, 0, map.size(3)).copy_(map[0]);
  }
  return all;
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

std::string DescribeTransform(const FrozenFeaturesOptions& options) {
  return absl::StrCat(options.transform, " pad ", options.pad_to_multiple);
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
      options_(std::move(options)),
      sizes_(*model_) {
  if (options_.cache == nullptr) options_.cache = std::make_shared<FeatureCache>();
  options_.cache->Claim(CopyWeights(*model_), DescribeTransform(options_));
}

bool FrozenFeatures::HasCachedMaps(const detection::FasterRcnn& model,
                                   const FrozenFeaturesOptions& options) {
  return options.max_bytes > 0 && options.cache != nullptr &&
         options.cache->Matches(CopyWeights(model), DescribeTransform(options));
}

detection::FeatureMaps FrozenFeatures::Maps(const data::Batch& batch) {
  std::vector<std::vector<at::Tensor>> images(static_cast<size_t>(batch.images.size(0)));
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
  detection::FeatureMaps maps = {{}, batch.images.size(2), batch.images.size(3)};
  const auto largest = LargestMaps(batch, images);
  for (size_t level = 0; level < largest.size(); ++level) {
    maps.levels.push_back(Stack(images, level, largest[level].first, largest[level].second));
  }
  return maps;
}

std::vector<std::pair<int64_t, int64_t>> FrozenFeatures::LargestMaps(
    const data::Batch& batch, const std::vector<std::vector<at::Tensor>>& own) {
  std::vector<std::pair<int64_t, int64_t>> largest(own.front().size());
  const auto enlarge = [&](size_t level, int64_t height, int64_t width) {
    auto& [most_rows, most_columns] = largest[level];
    most_rows = std::max(most_rows, height);
    most_columns = std::max(most_columns, width);
  };
  for (const auto& maps : own) {
    for (size_t level = 0; level < maps.size(); ++level) {
      enlarge(level, maps[level].size(2), maps[level].size(3));
    }
  }
  if (own.size() == batch.entries.size()) return largest;
  for (const data::BatchImage& entry : batch.entries) {
    const auto& heights = sizes_.Heights(RoundUp(entry.height, options_.pad_to_multiple));
    const auto& widths = sizes_.Widths(RoundUp(entry.width, options_.pad_to_multiple));
    for (size_t level = 0; level < largest.size(); ++level) {
      enlarge(level, heights[level], widths[level]);
    }
  }
  return largest;
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
  const at::Tensor image = batch.images.narrow(0, static_cast<int64_t>(slot), 1)
                               .narrow(2, 0, RoundUp(entry.height, options_.pad_to_multiple))
                               .narrow(3, 0, RoundUp(entry.width, options_.pad_to_multiple));
  std::vector<at::Tensor> maps = model_->Features(image.to(device_)).levels;
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
