// Copies the images of a batch, or the bytes that they are made of there, to the device of the
// network while it computes on earlier ones.
//
// The copy runs on a stream of its own, from pinned memory, and the network's stream waits for it
// with an event; the host waits for neither. Since the host runs ahead of the device, the images of
// the next batch are copied during the work on this one. LibTorch's allocator gives the memory of
// the copies to others only when the network's stream is past them.
//
// Example:
//   BatchUpload upload(device);
//   Compute(upload.Upload(batch));

#ifndef RCNN_TRAINING_TRAINER_BATCH_UPLOAD_H_
#define RCNN_TRAINING_TRAINER_BATCH_UPLOAD_H_

#include <c10/core/Device.h>
#include <c10/core/Stream.h>

#include <optional>

#include "rcnn/data/loader/batch.h"

namespace rcnn::training {

// Not for several threads.
class BatchUpload {
 public:
  explicit BatchUpload(const c10::Device& device) : device_(device) {}

  // The batch with its images on the device, for work that is queued on the current stream there;
  // with BatchBuilderOptions::keep_bytes with the bytes of its entries there, and `images`, which
  // are sizes alone, as they are. The batch itself if the device is the CPU, or if no image has
  // pixels, because their maps are cached. Throws c10::Error if the device has too little memory.
  data::Batch Upload(const data::Batch& batch);

 private:
  const c10::Device device_;
  std::optional<c10::Stream> stream_;  // of the copies
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_BATCH_UPLOAD_H_
