// Options of greedy non-maximum suppression, for nms.h, batched_nms.h and
// proposals.h.

#ifndef RCNN_OPS_KERNELS_NMS_OPTIONS_H_
#define RCNN_OPS_KERNELS_NMS_OPTIONS_H_

#include <cstdint>
#include <limits>

namespace rcnn::ops {

struct NmsOptions {
  // A box is dropped when its IoU with a kept box is > iou_threshold. In [0, 1].
  double iou_threshold = 0.7;
  // At most this many boxes are kept, >= 0; suppression stops there.
  int64_t max_keep = std::numeric_limits<int64_t>::max();
  // Also drops boxes at IoU == iou_threshold, as py-faster-rcnn's CPU code does.
  // Its GPU code and later projects do not.
  bool suppress_equal = false;
  // Corners are pixels inside the box: width is x2 - x1 + 1, height likewise, as
  // in the code of 2015.
  bool inclusive = false;
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_NMS_OPTIONS_H_
