// The balanced L1 loss, registered as "balanced_l1":
//   head { loss { box_loss: "balanced_l1" } }
//
// Near 0 its gradient grows like alpha log(b |x| + 1), so that accurate boxes count for more than
// with smooth L1; from |x| = 1 on it is the constant gamma.
//
// Source: Pang et al., Libra R-CNN, arXiv:1904.02701, Eq. 9, with alpha = 0.5 and gamma = 1.5.

#include <ATen/ATen.h>

#include <cmath>

#include "rcnn/detection/box_loss.h"

namespace rcnn::examples {
namespace {

constexpr double kAlpha = 0.5, kGamma = 1.5;

at::Tensor BalancedL1(const at::Tensor& predictions, const at::Tensor& targets,
                      const detection::BoxLossOptions&) {
  const double b = std::exp(kGamma / kAlpha) - 1;
  const at::Tensor distance = (predictions - targets).abs();
  const at::Tensor near =
      kAlpha / b * (b * distance + 1) * (b * distance + 1).log() - kAlpha * distance;
  const at::Tensor far = kGamma * distance + (kGamma / b - kAlpha);
  return at::where(distance < 1, near, far).sum();
}

const bool kRegistered = detection::RegisterBoxLoss("balanced_l1", &BalancedL1);

}  // namespace
}  // namespace rcnn::examples
