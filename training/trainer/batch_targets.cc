#include "rcnn/training/trainer/batch_targets.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "rcnn/detection/device_copy.h"
#include "rcnn/ops/preprocess.h"
#include "rcnn/ops/preprocess_batch.h"

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

// The image of row `slot` of batch.images.
const data::BatchImage& OwnEntry(const data::Batch& batch, int64_t slot) {
  return batch.entries[static_cast<size_t>(batch.own_begin + slot)];
}

// [count, 3, H, W], channels-last, from the bytes of images of one size, with their own padding.
at::Tensor FromBytes(const data::Batch& batch, int64_t slot, int64_t count,
                     const c10::Device& device) {
  std::vector<at::Tensor> bytes;
  std::vector<ops::PreprocessOptions> options;
  for (int64_t i = slot; i < slot + count; ++i) {
    const data::BatchImage& entry = OwnEntry(batch, i);
    bytes.push_back(detection::CopyToDevice(entry.bytes, device));
    options.push_back(entry.preprocess);
  }
  const ops::ImageSize size = SizeOfInput(OwnEntry(batch, slot));
  return ops::PreprocessBatch(bytes, options, size.height, size.width);
}

bool HaveOneSize(const std::vector<ops::ImageSize>& sizes) {
  return std::all_of(sizes.begin(), sizes.end(), [&](const ops::ImageSize& size) {
    return size.height == sizes.front().height && size.width == sizes.front().width;
  });
}

// As CutImages: one part where all images have one size.
detection::BatchMap FromBytes(const data::Batch& batch, const std::vector<ops::ImageSize>& sizes,
                              const c10::Device& device) {
  const auto count = static_cast<int64_t>(sizes.size());
  if (HaveOneSize(sizes)) return FromBytes(batch, 0, count, device);
  detection::BatchMap images;
  for (int64_t slot = 0; slot < count; ++slot) {
    images.parts.push_back(FromBytes(batch, slot, 1, device));
  }
  return images;
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
  const data::BatchImage& entry = OwnEntry(batch, slot);
  if (entry.bytes.defined()) return FromBytes(batch, slot, 1, device);
  const at::Tensor image = detection::CopyToDevice(batch.images.narrow(0, slot, 1), device);
  return detection::CutImages(image, {SizeOfInput(entry)}).parts.front();
}

detection::BatchMap MakeImages(const data::Batch& batch, const c10::Device& device) {
  std::vector<ops::ImageSize> sizes;
  for (int64_t slot = 0; slot < batch.images.size(0); ++slot) {
    sizes.push_back(SizeOfInput(OwnEntry(batch, slot)));
  }
  if (HasBytes(batch)) return FromBytes(batch, sizes, device);
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
