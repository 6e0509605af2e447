// The detections of a batch of images, from the scores and deltas of their RoIs, in tensors of a
// fixed size with counts: nothing waits for a device.
//
// Decodes the boxes whose score passes a threshold, clips them to the image, drops small ones,
// applies NMS per class, and keeps the best of each image.
//
// Shapes: R RoIs of B images; K classes without background; D = min(max_per_image, R K).
//
// Source: Girshick, arXiv:1504.08083, Sec. 3: per-class NMS; the score threshold and the limit per
// image are from the code published with Faster R-CNN.
//
// Example, at most 100 in each image:
//   CountedDetections found = FindCountedDetections(scores, deltas, rois, frames, {});

#ifndef RCNN_OPS_COUNTED_DETECTIONS_H_
#define RCNN_OPS_COUNTED_DETECTIONS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rcnn/ops/box_coder.h"

namespace rcnn::ops {

struct CountedDetectionOptions {
  // Detections have a higher score than this.
  double min_score = 0.05;
  // A box is dropped when its IoU with a better one of its class and image is > this. In [0, 1].
  double nms_iou_threshold = 0.5;
  // Of all classes together, >= 0.
  int64_t max_per_image = 100;
  // Number of best boxes per image and class that are decoded; 0: all.
  int64_t max_per_class = 0;
  // Boxes with a shorter side than this are dropped after clipping. >= 0, in pixels of the frame in
  // which boxes are decoded.
  double min_side_px = 0.01;
  // How deltas are decoded. `coder.inclusive` applies to the other steps too, as in proposals.h.
  BoxCoderOptions coder;
};

// On the device of the scores; best first, 0 beyond the counts.
struct CountedDetections {
  at::Tensor boxes;   // [B, D, 4] float32, (x1, y1, x2, y2)
  at::Tensor scores;  // [B, D] float32
  at::Tensor labels;  // [B, D] int64, 1..K
  at::Tensor counts;  // [B] int64; -1 for an image with a value that is not finite
};

// Returns the detections of all images.
//
//   scores  [R, K + 1] float32; class 0 is background, and its score is not read
//   deltas  [R, 4 (K + 1)] float32, class-major
//   rois    [R, 5] float32, (image, x1, y1, x2, y2), in any order
//   frames  [B, 5] float32, of each image: the height and width in whole pixels that boxes are
//           clipped to; what RoIs are divided by before they are decoded; and what x and y of a
//           detection are multiplied by at the end
// All on one device. Of equal scores the RoI of lower index comes first, and of one RoI the lower
// class. RoIs of other images than 0..B - 1 take part in nothing. No gradient flows.
// Throws c10::Error naming the argument: wrong shape, dtype or device, options out of range; on the
// CPU also frames that are not finite, and sizes that are negative. Other values that are not
// finite are not an error on any device: the count of an image is -1 where a score of a class is
// such a value, or where the box of a score that passes the threshold has one among its deltas or
// decodes to one.
CountedDetections FindCountedDetections(const at::Tensor& scores, const at::Tensor& deltas,
                                        const at::Tensor& rois, const at::Tensor& frames,
                                        const CountedDetectionOptions& options);

// Throws c10::Error as FindCountedDetections does. For kernels of other devices, where values are
// not checked.
void CheckCountedDetectionArguments(const at::Tensor& scores, const at::Tensor& deltas,
                                    const at::Tensor& rois, const at::Tensor& frames,
                                    const CountedDetectionOptions& options);

// Zeros of the results' shapes. The arguments have been checked.
CountedDetections MakeCountedDetections(const at::Tensor& scores, const at::Tensor& frames,
                                        const CountedDetectionOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_COUNTED_DETECTIONS_H_
