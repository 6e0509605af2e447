#include "rcnn/training/trainer/batch_targets.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "rcnn/detection/device_copy.h"
#include "rcnn/ops/preprocess.h"

namespace rcnn::training {
namespace {

// [4]: the factors of x1, y1, x2, y2 of the stored image.
at::Tensor Scales(const data::BatchImage& entry) {
  const auto x = static_cast<float>(entry.scale_x), y = static_cast<float>(entry.scale_y);
  return at::tensor({x, y, x, y});
}

bool HasBytes(const data::Batch& batch) {
  return batch.images.size(0) > 0 &&
         batch.entries[static_cast<size_t>(batch.own_begin)].bytes.defined();
}

// [1, 3, H, W] from the bytes, with the image's own padding.
at::Tensor FromBytes(const data::BatchImage& entry, const c10::Device& device) {
  const at::Tensor pixels =
      ops::Preprocess(detection::CopyToDevice(entry.bytes, device), entry.preprocess).unsqueeze(0);
  return at::constant_pad_nd(pixels, {0, entry.own_padding_x, 0, entry.own_padding_y});
}

// As CutImages: one part where all images have one size.
detection::BatchMap Join(const std::vector<at::Tensor>& images) {
  detection::BatchMap map;
  map.parts = images;
  const auto has_first_size = [&](const at::Tensor& image) {
    return image.sizes() == images.front().sizes();
  };
  if (std::all_of(images.begin(), images.end(), has_first_size)) map.parts = {at::cat(images)};
  return map;
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
    truths.push_back(
        {entry.boxes, entry.labels, entry.crowd.logical_or(entry.difficult), entry.info.id});
  }
  return truths;
}

ops::ImageSize SizeOfInput(const data::BatchImage& entry) {
  return {entry.height + entry.own_padding_y, entry.width + entry.own_padding_x};
}

at::Tensor MakeImage(const data::Batch& batch, int64_t slot, const c10::Device& device) {
  const data::BatchImage& entry = batch.entries[static_cast<size_t>(batch.own_begin + slot)];
  if (entry.bytes.defined()) return FromBytes(entry, device);
  const at::Tensor image = detection::CopyToDevice(batch.images.narrow(0, slot, 1), device);
  return detection::CutImages(image, {SizeOfInput(entry)}).parts.front();
}

detection::BatchMap MakeImages(const data::Batch& batch, const c10::Device& device) {
  if (HasBytes(batch)) {
    std::vector<at::Tensor> images;
    for (int64_t slot = 0; slot < batch.images.size(0); ++slot) {
      images.push_back(MakeImage(batch, slot, device));
    }
    return Join(images);
  }
  std::vector<ops::ImageSize> sizes;
  for (int64_t b = batch.own_begin; b < batch.own_end(); ++b) {
    sizes.push_back(SizeOfInput(batch.entries[static_cast<size_t>(b)]));
  }
  return detection::CutImages(detection::CopyToDevice(batch.images, device), sizes);
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
