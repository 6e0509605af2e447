// Which images a network processes several at a time.

#ifndef RCNN_TRAINING_TRAINER_SMALL_IMAGES_H_
#define RCNN_TRAINING_TRAINER_SMALL_IMAGES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rcnn/data/loader/batch.h"

namespace rcnn::training {

// Images of up to this many pixels after resizing are processed in parallel, one
// per thread, which is faster than all threads on one image and gives the same
// results. Larger images are processed one at a time, to save memory.
inline constexpr int64_t kSmallPixels = int64_t{1} << 18;

// Whether the images of the batch are small, padding included.
inline bool AreSmall(const data::Batch& batch) {
  return batch.images.size(2) * batch.images.size(3) <= kSmallPixels;
}

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_SMALL_IMAGES_H_
