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

detection::InputSizes MakeInputSizes(const data::Batch& batch) {
  detection::InputSizes sizes;
  for (const data::BatchImage& entry : batch.entries) {
    sizes.push_back({static_cast<float>(entry.height), static_cast<float>(entry.width),
                     static_cast<float>(entry.scale_y)});
  }
  return sizes;
}

detection::GroundTruths MakeGroundTruths(const data::Batch& batch) {
  detection::GroundTruths truths;
  for (const data::BatchImage& entry : batch.entries) {
    truths.push_back({entry.boxes, entry.labels, entry.crowd.logical_or(entry.difficult)});
  }
  return truths;
}

ops::ImageSize SizeOfInput(const data::BatchImage& entry) {
  return {entry.height + entry.own_padding_y, entry.width + entry.own_padding_x};
}

detection::BatchMap MakeImages(const data::Batch& batch, const c10::Device& device) {
  std::vector<ops::ImageSize> sizes;
  for (int64_t b = batch.own_begin; b < batch.own_end(); ++b) {
    sizes.push_back(SizeOfInput(batch.entries[static_cast<size_t>(b)]));
  }
  return detection::CutImages(batch.images.to(device), sizes);
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
