// Clips boxes to an image, as ClipBoxes of boxes.h.

#ifndef RCNN_OPS_KERNELS_BOX_CLIP_H_
#define RCNN_OPS_KERNELS_BOX_CLIP_H_

#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

// Box i: 8 values moved, 8 comparisons.
template <typename T>
struct ClipRow {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const T* box = boxes + 4 * i;
    T* to = out + 4 * i;
    for (int c = 0; c < 4; c += 2) {
      to[c] = Clamped(box[c], T{0}, last_x);
      to[c + 1] = Clamped(box[c + 1], T{0}, last_y);
    }
  }

  const T* boxes;  // [N, 4]
  T last_x;        // the image's width, less 1 for inclusive boxes; >= 0
  T last_y;        // its height likewise
  T* out;          // [N, 4]; may be `boxes`
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_BOX_CLIP_H_
