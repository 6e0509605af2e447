// One update of all weights of a network by their gradients, on their device: SGD with momentum, or
// AdamW, with a limit on the norm of the gradients.
//
// Nothing waits for the device: the norm, and whether the update was made, stay there. Three
// launches for any number of weights (kernels/weight_update.h). The operator, "_update_weights",
// has kernels for the CPU and, where CUDA is built (//ops/cuda:weight_update), for CUDA. On the CPU
// it serves tests; the solver's own loops are faster there and give the same bits.
//
// Formulas: configs/solver.proto.
//
// Example:
//   const WeightUpdateResult result = UpdateWeights(weights, options);
//   finite = result.finite;

#ifndef RCNN_OPS_WEIGHT_UPDATE_H_
#define RCNN_OPS_WEIGHT_UPDATE_H_

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceType.h>

#include <cstdint>
#include <vector>

#include "rcnn/ops/kernels/weight_update.h"

namespace rcnn::ops {

// A weight that has a gradient: float32 tensors with the layout of the weight (tensor_layout.h),
// dense, on one device. All but the gradient change in place.
struct UpdatedTensors {
  at::Tensor weight;
  at::Tensor gradient;  // summed over the batches
  at::Tensor first;     // v of SGD, m of AdamW
  at::Tensor second;    // v of AdamW; else undefined
  at::Tensor updates;   // AdamW: an int64 scalar, the number of updates so far; else undefined
  double rate = 0;
  double decay = 0;
};

struct WeightUpdateOptions {
  WeightUpdateRule rule;
  int64_t batches = 1;  // that were summed; >= 1
  double max_norm = 0;  // of the averaged gradient; 0: no limit
  // Scalars on the device, or undefined.
  at::Tensor loss_scale = {};  // float32: gradients have been multiplied by it
  at::Tensor allowed = {};     // bool: false changes nothing
};

// Scalars on the device.
struct WeightUpdateResult {
  at::Tensor norm;    // float64: of the averaged gradient before the limit; 0 if it is not finite
  at::Tensor finite;  // bool: all gradients were finite; otherwise nothing has changed
};

// Whether UpdateWeights can be called for weights on such a device.
bool CanUpdateWeights(c10::DeviceType device);

// Updates N >= 1 weights. Throws c10::Error, naming the argument and the row, on wrong tensors.
WeightUpdateResult UpdateWeights(const std::vector<UpdatedTensors>& weights,
                                 const WeightUpdateOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_WEIGHT_UPDATE_H_
