// The tensors of a weight update as the rows of its kernels (kernels/weight_update.h).
//
// For the registrations of the operator on each device alone; use weight_update.h.

#ifndef RCNN_OPS_WEIGHT_UPDATE_TABLE_H_
#define RCNN_OPS_WEIGHT_UPDATE_TABLE_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <vector>

#include "rcnn/ops/kernels/weight_update.h"

namespace rcnn::ops {

struct WeightUpdateTable {
  std::vector<UpdatedWeight> weights;
  std::vector<UpdateChunk> chunks;
};

// Lists of N >= 1 tensors, float32 and dense, each of the layout of its weight (tensor_layout.h);
// `updates` int64 scalars. `second` and `updates` are empty for SGD. All on one device, in whose
// memory the rows point, and must outlive the update. Throws c10::Error naming the argument.
WeightUpdateTable MakeWeightUpdateTable(at::TensorList weights, at::TensorList gradients,
                                        at::TensorList first, at::TensorList second,
                                        at::TensorList updates, at::ArrayRef<double> rates,
                                        at::ArrayRef<double> decays);

// A float32 scalar and a bool scalar on the device of the weights; null if there are none.
const float* LossScaleData(const c10::optional<at::Tensor>& loss_scale, const at::Tensor& weight);
const bool* AllowedData(const c10::optional<at::Tensor>& allowed, const at::Tensor& weight);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_WEIGHT_UPDATE_TABLE_H_
