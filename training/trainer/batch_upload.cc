#include "rcnn/training/trainer/batch_upload.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <vector>

#include "rcnn/detection/device_copy.h"

namespace rcnn::training {
namespace {

bool HasPixels(const data::Batch& batch) {
  return batch.images.numel() > 0 &&
         std::any_of(batch.entries.begin(), batch.entries.end(),
                     [](const data::BatchImage& image) { return image.has_pixels; });
}

// What has to be copied: the bytes of the entries that have some, else all images.
std::vector<at::Tensor*> FindPixels(data::Batch& batch) {
  std::vector<at::Tensor*> pixels;
  for (data::BatchImage& image : batch.entries) {
    if (image.bytes.defined()) pixels.push_back(&image.bytes);
  }
  if (pixels.empty()) pixels.push_back(&batch.images);
  return pixels;
}

}  // namespace

data::Batch BatchUpload::Upload(const data::Batch& batch) {
  if (device_.is_cpu() || !HasPixels(batch)) return batch;
  const c10::impl::VirtualGuardImpl streams(device_.type());
  if (!stream_) stream_ = streams.getStreamFromGlobalPool(device_);
  const c10::Stream user = streams.getStream(device_);
  data::Batch uploaded = batch;
  const std::vector<at::Tensor*> pixels = FindPixels(uploaded);
  c10::Event copied(device_.type());
  {
    const c10::StreamGuard copies(*stream_);
    for (at::Tensor* const tensor : pixels) *tensor = detection::CopyToDevice(*tensor, device_);
    copied.record(*stream_);
  }
  copied.block(user);
  for (const at::Tensor* const tensor : pixels) tensor->record_stream(user);
  return uploaded;
}

}  // namespace rcnn::training
