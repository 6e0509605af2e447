#include "rcnn/training/trainer/batch_targets.h"

#include <ATen/ATen.h>

namespace rcnn::training {
namespace {

// [4]: the factors of x1, y1, x2, y2 of the stored image.
at::Tensor Scales(const data::BatchImage& entry) {
  const auto x = static_cast<float>(entry.scale_x), y = static_cast<float>(entry.scale_y);
  return at::tensor({x, y, x, y});
}

}  // namespace

detection::ImageInfo MakeImageInfo(const data::Batch& batch) {
  at::Tensor info = at::empty({static_cast<int64_t>(batch.entries.size()), 3});
  auto rows = info.accessor<float, 2>();
  for (size_t b = 0; b < batch.entries.size(); ++b) {
    const data::BatchImage& entry = batch.entries[b];
    auto row = rows[static_cast<int64_t>(b)];
    row[0] = static_cast<float>(entry.height);
    row[1] = static_cast<float>(entry.width);
    row[2] = static_cast<float>(entry.scale_y);
  }
  return info;
}

detection::GroundTruths MakeGroundTruths(const data::Batch& batch) {
  detection::GroundTruths truths;
  for (const data::BatchImage& entry : batch.entries) {
    truths.push_back({entry.boxes, entry.labels, entry.crowd.logical_or(entry.difficult)});
  }
  return truths;
}

std::vector<ops::ImageSize> OriginalSizes(const data::Batch& batch) {
  std::vector<ops::ImageSize> sizes;
  for (const data::BatchImage& entry : batch.entries) {
    sizes.push_back({entry.info.height, entry.info.width});
  }
  return sizes;
}

at::Tensor ToStoredPixels(const at::Tensor& boxes, const data::BatchImage& entry) {
  return boxes / Scales(entry);
}

at::Tensor ToInputPixels(const at::Tensor& boxes, const data::BatchImage& entry) {
  return boxes * Scales(entry);
}

}  // namespace rcnn::training
