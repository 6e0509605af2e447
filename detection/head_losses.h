// The losses of the Fast R-CNN head on the RoIs that it is trained on.
//
//   classes  the mean of -log softmax(logits)[label] over the RoIs
//   box      the box loss of the RoIs with a label > 0, in the four deltas of their own class and
//            of targets (target - mean) / std, divided by the number of RoIs, times box_weight
//
// Shapes: R RoIs; K classes without background.
//
// Source: Girshick, arXiv:1504.08083, Sec. 2.3, Eq. 1 to 3.
//
// Example:
//   HeadLosses losses = ComputeHeadLosses(output, samples, normalization, nullptr, config);
//   (losses.classes + losses.box).backward();

#ifndef RCNN_DETECTION_HEAD_LOSSES_H_
#define RCNN_DETECTION_HEAD_LOSSES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/box_loss.h"
#include "rcnn/detection/box_normalization.h"
#include "rcnn/detection/roi_samples.h"

namespace rcnn::detection {

// What the head computes for RoIs. float32.
struct HeadOutput {
  at::Tensor logits;  // [R, K + 1], class 0 is background
  at::Tensor deltas;  // [R, 4 (K + 1)], class-major, then (dx, dy, dw, dh)
};

// The losses of a batch, or of a part of it.
struct HeadLosses {
  at::Tensor classes;  // scalar, the mean over the RoIs
  at::Tensor box;      // scalar, sum / RoIs, times the config's box_weight
  int64_t positives = 0;
  int64_t negatives = 0;
  // Whether the head's outputs are finite, on another device than the CPU (finite_output.h).
  at::Tensor finite = {};
  // Of samples of a fixed size, in place of the two numbers: scalars on the device.
  at::Tensor unread_positives = {};
  at::Tensor unread_negatives = {};
};

// The losses of `output`, that of the RoIs of `samples`, divided by the number of samples, of the
// whole batch where `samples` are a part of it. Differentiable with respect to `output`.
//
//   normalization  of the box targets, [K + 1, 4], by label; may be off
//   box_loss       in place of smooth L1; null: smooth L1 with the config's beta
// On the CPU throws NotFiniteError naming the RoI if an output is not finite. Throws c10::Error on
// shapes that do not fit.
HeadLosses ComputeHeadLosses(const HeadOutput& output, const RoiSamples& samples,
                             const BoxNormalization& normalization, const BoxLoss* box_loss,
                             const configs::HeadLossConfig& config);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_HEAD_LOSSES_H_
