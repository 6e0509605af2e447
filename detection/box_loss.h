// The loss of the box regression, chosen by name in RpnLossConfig and HeadLossConfig.
//
// "smooth_l1" is the paper's and the default. Others register themselves;
// docs/extending.md adds one.
//
// Example, in the loss's own source:
//   at::Tensor HalfSquare(const at::Tensor& predictions, const at::Tensor& targets,
//                         const BoxLossOptions&) {
//     return 0.5 * (predictions - targets).square().sum();
//   }
//   const bool kRegistered = RegisterBoxLoss("half_square", &HalfSquare);

#ifndef RCNN_DETECTION_BOX_LOSS_H_
#define RCNN_DETECTION_BOX_LOSS_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rcnn::detection {

struct BoxLossOptions {
  // The config's smooth_l1_beta.
  double beta = 0;
};

// The sum over P positive anchors or RoIs, a scalar with a gradient to `predictions`.
//
//   predictions  [P, 4] (dx, dy, dw, dh) as the network gives them
//   targets      [P, 4] in the same units: coded and normalised
// On a GPU some rows are 0 in both, for positives that an image does not have: they must add
// nothing.
using BoxLoss = std::function<at::Tensor(const at::Tensor& predictions, const at::Tensor& targets,
                                         const BoxLossOptions& options)>;

// Registers `name` for FindBoxLoss and returns true. Ends the process if it is registered already.
bool RegisterBoxLoss(const std::string& name, BoxLoss loss);

// Null for "smooth_l1", which ops/rpn_loss.h and ops/fast_rcnn_loss.h compute. `field` is named in
// the error: kInvalidArgument, listing the known names, if `name` is not registered.
absl::StatusOr<const BoxLoss*> FindBoxLoss(const std::string& field, const std::string& name);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_BOX_LOSS_H_
