// The error of a training iteration for which memory ran out.

#ifndef RCNN_TRAINING_TRAINER_MEMORY_ERROR_H_
#define RCNN_TRAINING_TRAINER_MEMORY_ERROR_H_

#include <c10/core/Device.h>
#include <c10/util/ArrayRef.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::training {

// kResourceExhausted with the device, the iteration ("iteration 12 on the images a, b"), the batch
// [B, C, H, W], what the allocator said, and which fields to lower.
absl::Status TrainingMemoryError(absl::string_view what, absl::string_view iteration,
                                 const c10::Device& device, c10::IntArrayRef images);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_MEMORY_ERROR_H_
