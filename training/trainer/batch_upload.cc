#include "rcnn/training/trainer/batch_upload.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>

namespace rcnn::training {
namespace {

bool HasPixels(const data::Batch& batch) {
  return batch.images.numel() > 0 &&
         std::any_of(batch.entries.begin(), batch.entries.end(),
                     [](const data::BatchImage& image) { return image.has_pixels; });
}

}  // namespace

data::Batch BatchUpload::Upload(const data::Batch& batch) {
  if (device_.is_cpu() || !HasPixels(batch)) return batch;
  const c10::impl::VirtualGuardImpl streams(device_.type());
  if (!stream_) stream_ = streams.getStreamFromGlobalPool(device_);
  const c10::Stream user = streams.getStream(device_);
  data::Batch uploaded = batch;
  // Only from pinned memory does a copy to a GPU run by itself. LibTorch reuses that memory only
  // when the copy is done.
  const at::Tensor source = device_.is_cuda() ? batch.images.pin_memory() : batch.images;
  c10::Event copied(device_.type());
  {
    const c10::StreamGuard copies(*stream_);
    uploaded.images = source.to(device_, /*non_blocking=*/true);
    copied.record(*stream_);
  }
  copied.block(user);
  uploaded.images.record_stream(user);
  return uploaded;
}

}  // namespace rcnn::training
