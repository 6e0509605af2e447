#include "rcnn/training/frozen_features.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "rcnn/detection/module_parts.h"

namespace rcnn::training {
namespace {

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

int64_t BytesOf(const std::vector<at::Tensor>& maps) {
  int64_t bytes = 0;
  for (const at::Tensor& map : maps) bytes += static_cast<int64_t>(map.nbytes());
  return bytes;
}

// Maps [1, C, H_b, W_b] of each picture as one [B, C, max H_b, max W_b].
at::Tensor Stack(const std::vector<std::vector<at::Tensor>>& pictures, size_t level) {
  const at::Tensor& first = pictures.front()[level];
  if (pictures.size() == 1) return first;
  int64_t height = 0, width = 0;
  for (const auto& maps : pictures) {
    height = std::max(height, maps[level].size(2));
    width = std::max(width, maps[level].size(3));
  }
  at::Tensor all = at::zeros({static_cast<int64_t>(pictures.size()), first.size(1), height, width},
                             first.options());
  for (size_t b = 0; b < pictures.size(); ++b) {
    const at::Tensor& map = pictures[b][level];
    all[static_cast<int64_t>(b)].narrow(1, 0, map.size(2)).narrow(2, 0, map.size(3)).copy_(map[0]);
  }
  return all;
}

}  // namespace

bool HasFrozenFeatures(const detection::FasterRcnn& model) {
  return detection::IsFrozen(*model.backbone()) &&
         (model.fpn() == nullptr || detection::IsFrozen(*model.fpn()));
}

std::vector<at::Tensor> FrozenFeatures::Of(const data::Batch& batch) {
  std::vector<std::vector<at::Tensor>> pictures;
  for (size_t b = 0; b < batch.entries.size(); ++b) pictures.push_back(OfPicture(batch, b));
  std::vector<at::Tensor> maps;
  for (size_t level = 0; level < pictures.front().size(); ++level) {
    maps.push_back(Stack(pictures, level));
  }
  return maps;
}

std::vector<at::Tensor> FrozenFeatures::OfPicture(const data::Batch& batch, size_t slot) {
  const data::BatchImage& entry = batch.entries[slot];
  const Key key = {entry.index, entry.info.flipped, entry.height, entry.width};
  const auto found = kept_.find(key);
  if (found != kept_.end()) {
    ++hits_;
    return found->second;
  }
  const int64_t height = RoundUp(entry.height, options_.pad_to_multiple);
  const int64_t width = RoundUp(entry.width, options_.pad_to_multiple);
  std::vector<at::Tensor> maps = Compute(batch.images.narrow(0, static_cast<int64_t>(slot), 1)
                                             .narrow(2, 0, height)
                                             .narrow(3, 0, width));
  const int64_t bytes = BytesOf(maps);
  if (kept_bytes_ + bytes <= options_.max_bytes) {
    kept_bytes_ += bytes;
    kept_.emplace(key, maps);
  }
  return maps;
}

std::vector<at::Tensor> FrozenFeatures::Compute(const at::Tensor& picture) const {
  at::NoGradGuard no_grad;
  return model_->Features(picture);
}

}  // namespace rcnn::training
