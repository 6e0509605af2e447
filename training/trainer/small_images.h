// Which images go through a network several at a time.

#ifndef RCNN_TRAINING_TRAINER_SMALL_IMAGES_H_
#define RCNN_TRAINING_TRAINER_SMALL_IMAGES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rcnn/data/loader/batch.h"

namespace rcnn::training {

// Up to this many pixels after resizing, as many images at a time as there are
// threads, each on one of them: that takes less time than all threads on one image,
// and the same numbers come out. Larger ones go one by one, for the sake of memory.
inline constexpr int64_t kSmallPixels = int64_t{1} << 18;

// With their padding.
inline bool AreSmall(const data::Batch& batch) {
  return batch.images.size(2) * batch.images.size(3) <= kSmallPixels;
}

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_SMALL_IMAGES_H_
