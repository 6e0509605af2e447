// The detections of one image, and how they are computed from the head's output.
//
// Only boxes whose score passes the threshold are decoded: with 1,000 RoIs and 80
// classes, a few hundred of 80,000.
//
// Source: Girshick, arXiv:1504.08083, Sec. 3: per-class NMS; the score threshold
// and the limit per image are from the code published with Faster R-CNN.

#ifndef RCNN_DETECTION_DETECTIONS_H_
#define RCNN_DETECTION_DETECTIONS_H_

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "rcnn/configs/model.pb.h"
#include "rcnn/ops/box_coder.h"
#include "rcnn/ops/boxes.h"

namespace rcnn::detection {

// N >= 0 detections of one image, best first.
struct Detections {
  at::Tensor boxes;   // [N, 4] float32, (x1, y1, x2, y2) in pixels
  at::Tensor scores;  // [N] float32, probabilities
  at::Tensor labels;  // [N] int64, 1..K
  // Outputs of the model's branches, by name (roi_branch.h).
  std::map<std::string, at::Tensor> extra = {};
};

// Where the boxes of an image are decoded and clipped, and how they get to the frame in which its
// detections are wanted.
struct DetectionFrame {
  ops::ImageSize image;  // the size to clip to
  double roi_scale = 1;  // RoIs are divided by this before they are decoded
  double scale_x = 1;    // coordinates of detections are multiplied by these
  double scale_y = 1;
};

// Selects the detections of one image from the head's output.
//
//   logits  [R, K + 1] float32, class 0 is background
//   deltas  [R, 4 (K + 1)], class-major
//   boxes   [R, 4] the RoIs, in the frame in which the detections are wanted
//   image   its size, to clip to
// Softmax; score > min_score; the best max_per_class; decode; clip; drop small boxes; NMS per
// class; the best max_per_image. Ties are broken by RoI, then class. With voting_iou < 1, boxes
// with scores down to 0.001 also take part in the vote, so that the position of a box does not
// depend on min_score. Runs on the CPU and returns CPU tensors. Throws c10::Error on logits that
// are not finite, and on such deltas of a box that passes the threshold.
Detections SelectDetections(const at::Tensor& logits, const at::Tensor& deltas,
                            const at::Tensor& boxes, const ops::ImageSize& image,
                            const ops::BoxCoderOptions& coder,
                            const configs::DetectionsConfig& config);

// Whether SelectDetectionsTogether can do what `config` asks for: all but voting.
bool CanSelectTogether(const configs::DetectionsConfig& config);

// The same for all images of a batch, on the device of the logits (ops/counted_detections.h), which
// is waited for once, to copy the result. Returns CPU tensors, of which those of an image have the
// bits of SelectDetections where exp has.
//
//   rois    [R, 5] float32, (image, x1, y1, x2, y2), on the device of the logits
//   frames  of each image
// Tensors of an image are undefined where its logits, or the deltas of a box that passes the
// threshold, are not finite: SelectDetections has an error that names them. `config` is one that
// CanSelectTogether accepts.
std::vector<Detections> SelectDetectionsTogether(const at::Tensor& logits, const at::Tensor& deltas,
                                                 const at::Tensor& rois,
                                                 const std::vector<DetectionFrame>& frames,
                                                 const ops::BoxCoderOptions& coder,
                                                 const configs::DetectionsConfig& config);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_DETECTIONS_H_
