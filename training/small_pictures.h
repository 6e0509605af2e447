// Which pictures go through a network several at a time.

#ifndef RCNN_TRAINING_SMALL_PICTURES_H_
#define RCNN_TRAINING_SMALL_PICTURES_H_

#include <cstdint>

namespace rcnn::training {

// Up to this many pixels after resizing, as many pictures at a time as there are
// threads, each on one of them: that takes less time than all threads on one picture,
// and the same numbers come out. Larger ones go one by one, for the sake of memory.
inline constexpr int64_t kSmallPixels = int64_t{1} << 18;

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SMALL_PICTURES_H_
