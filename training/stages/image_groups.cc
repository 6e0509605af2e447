#include "rcnn/training/stages/image_groups.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "rcnn/training/trainer/batch_targets.h"

namespace rcnn::training {

std::vector<std::vector<size_t>> GroupImages(const std::vector<data::Batch>& window, int64_t most) {
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < window.size(); ++i) {
    const auto fits = [&](const std::vector<size_t>& group) {
      return static_cast<int64_t>(group.size()) < most &&
             window[group.front()].images.sizes() == window[i].images.sizes();
    };
    const auto group = std::find_if(groups.begin(), groups.end(), fits);
    if (group == groups.end()) {
      groups.push_back({i});
    } else {
      group->push_back(i);
    }
  }
  return groups;
}

data::Batch JoinImages(const std::vector<data::Batch>& window, const std::vector<size_t>& places) {
  data::Batch joined = window[places.front()];
  if (places.size() == 1) return joined;
  joined.entries.clear();
  std::vector<at::Tensor> images;
  for (const size_t place : places) {
    joined.entries.push_back(window[place].entries.front());
    images.push_back(window[place].images);
  }
  // With bytes the images are sizes alone.
  const bool has_bytes = joined.entries.front().bytes.defined();
  const auto count = static_cast<int64_t>(places.size());
  joined.images = has_bytes ? images.front().expand({count, -1, -1, -1}) : at::cat(images);
  return joined;
}

detection::BatchMap MakeInputs(const data::Batch& batch, const c10::Device& device) {
  return device.is_cpu() ? detection::BatchMap(batch.images) : MakeImages(batch, device);
}

void MirrorInputs(const detection::BatchMap& images, data::Batch& batch) {
  size_t b = 0;
  for (const at::Tensor& part : images.parts) {
    for (int64_t row = 0; row < part.size(0); ++row) {
      data::BatchImage& entry = batch.entries[b++];
      const at::Tensor pixels = part.narrow(0, row, 1).narrow(3, 0, entry.width);
      pixels.copy_(pixels.clone().flip(3));
      entry.info.flipped = true;
    }
  }
}

}  // namespace rcnn::training
