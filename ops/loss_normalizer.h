// What a sum of losses is divided by: a given number, or the number of samples.
//
// Where a trace (torch.compile, torch.export) has symbols for sizes, the number of samples is
// computed by operators, so that the trace holds for any number.
//
// Internal to ops.

#ifndef RCNN_OPS_LOSS_NORMALIZER_H_
#define RCNN_OPS_LOSS_NORMALIZER_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

namespace rcnn::ops {

class LossNormalizer {
 public:
  // `value`, > 0, or else max(1, total length of `samples`), tensors [N_i].
  LossNormalizer(const c10::optional<double>& value, at::TensorList samples);

  // loss / n, for a tensor [].
  at::Tensor Divide(const at::Tensor& loss) const;

  // loss * (weight / n), for a tensor [].
  at::Tensor Scale(const at::Tensor& loss, double weight) const;

 private:
  double value_ = 1;
  at::Tensor traced_;  // [] float64, if a length is a symbol
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_LOSS_NORMALIZER_H_
