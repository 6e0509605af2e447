// The multi-task loss of Fast R-CNN over sampled RoIs.
//
//   classification = sum of -log softmax(logits)[label] / n
//   box            = box_weight * sum of smooth L1 over the foreground RoIs, in the
//                    4 deltas of their own class, / n
// n is the number of RoIs, foreground and background, unless it is given: a fixed n
// keeps a short batch from weighing more per RoI. 2015: beta 1 (sigma 1) and targets
// normalised by mean and standard deviation (box_coder.h).
//
// Source: Girshick, arXiv:1504.08083, Eq. 1 to 3.
//
// Example:
//   FastRcnnLosses losses = FastRcnnLoss(class_logits, deltas, labels, target_deltas, {});
//   (losses.classification + losses.box).backward();

#ifndef RCNN_OPS_FAST_RCNN_LOSS_H_
#define RCNN_OPS_FAST_RCNN_LOSS_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <functional>

namespace rcnn::ops {

struct FastRcnnLossOptions {
  // Divides both sums, > 0. Not set: the number of RoIs.
  c10::optional<double> normalizer = c10::nullopt;
  // Factor of the box loss, >= 0.
  double box_weight = 1;
  // Of smooth_l1.h, >= 0.
  double beta = 1;
  // If set, the summed box loss of predictions [P, 4] and targets [P, 4], in place of
  // smooth L1: a scalar with a gradient to the predictions.
  std::function<at::Tensor(const at::Tensor& predictions, const at::Tensor& targets)> box_distance =
      nullptr;
};

// Scalars of the arguments' dtype.
struct FastRcnnLosses {
  at::Tensor classification;
  at::Tensor box;
};

// Returns the losses of the RoIs of all images together.
//
// R RoIs, K classes without the background, F RoIs with label > 0:
//   class_logits   [R, K + 1]      float32|float64, column 0 the background
//   deltas         [R, 4 (K + 1)]  same dtype and device: 4 columns per class with
//                                  the background's first, which are not used; or
//                  [R, 4 K]        without those; or
//                  [R, 4]          the same for all classes
//   labels         [R]             int64 in [0, K]
//   target_deltas  [R, 4]          same dtype and device; rows with label 0 are not
//                                  read
// Differentiable with respect to class_logits and deltas. Without RoIs both losses
// are 0.
// Throws c10::Error naming the argument and row on a wrong shape, dtype or device, a
// label out of range, logits, or deltas and targets of a foreground RoI, that are
// not finite, and options out of range.
FastRcnnLosses FastRcnnLoss(const at::Tensor& class_logits, const at::Tensor& deltas,
                            const at::Tensor& labels, const at::Tensor& target_deltas,
                            const FastRcnnLossOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_FAST_RCNN_LOSS_H_
