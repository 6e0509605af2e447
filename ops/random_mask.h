// A random mask for dropout, drawn on the device where it is used, by counters
// (kernels/random_mask.h).
//
// Example:
//   at::Tensor dropped = x * RandomMask(x, key, 0.5);

#ifndef RCNN_OPS_RANDOM_MASK_H_
#define RCNN_OPS_RANDOM_MASK_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rcnn/ops/kernels/random_mask.h"

namespace rcnn::ops {

// float32 of the shape and on the device of `like`: each element is 1 with `probability` and 0
// otherwise. The same key and shape give the same mask on every device. No gradient flows. Throws
// c10::Error for a probability that is not in [0, 1].
at::Tensor RandomMask(const at::Tensor& like, uint64_t key, double probability);

// The arguments of the kernel for a mask that is contiguous and must outlive the launch. Throws as
// above.
FillRandomMask MakeFillRandomMask(const at::Tensor& mask, int64_t key, double probability);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_RANDOM_MASK_H_
