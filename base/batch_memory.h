// Errors of memory that name the batch.
//
// Example:
//   return WithBatch(status, device, images.sizes(), "use smaller images");

#ifndef RCNN_BASE_BATCH_MEMORY_H_
#define RCNN_BASE_BATCH_MEMORY_H_

#include <c10/core/Device.h>
#include <c10/util/ArrayRef.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn {

// "2 images of 800 x 1333 pixels" (height x width) for images [B, C, H, W].
std::string DescribeBatch(c10::IntArrayRef images);

// A kResourceExhausted error with the device, the batch [B, C, H, W] that it had no memory for, and
// `advice`, a command in lower case. Any other status as it is.
absl::Status WithBatch(const absl::Status& status, const c10::Device& device,
                       c10::IntArrayRef images, absl::string_view advice);

}  // namespace rcnn

#endif  // RCNN_BASE_BATCH_MEMORY_H_
