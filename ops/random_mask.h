// A random mask for dropout, drawn on the device where it is used, by counters
// (kernels/random_mask.h).
//
// In training the features of a RoI have draws of their own, named by the image and by the number
// of the RoI in it. So they do not depend on the batch, on how it is divided, or on whether the
// RoIs of an image are padded to a fixed number.
//
// Example:
//   at::Tensor dropped = x * RandomMask(x, key, 0.5);

#ifndef RCNN_OPS_RANDOM_MASK_H_
#define RCNN_OPS_RANDOM_MASK_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <cstdint>

#include "rcnn/ops/kernels/random_mask.h"

namespace rcnn::ops {

// float32 of the shape and on the device of `like`: each element is 1 with `probability` and 0
// otherwise. The same key and shape give the same mask on every device.
//
//   draw_rows  [R, 2] int64, same device, for `like` [R, F] or with further dimensions: the image,
//              and a row of it in [0, 2^32), from which the draws for each row of the mask follow.
//              Not set: they follow from the element's number in the mask
// No gradient flows. Throws c10::Error naming the argument for a probability that is not in [0, 1],
// and for draw_rows of a wrong shape, dtype or device.
at::Tensor RandomMask(const at::Tensor& like, uint64_t key, double probability,
                      const c10::optional<at::Tensor>& draw_rows = c10::nullopt);

// Throws c10::Error as RandomMask does. For kernels.
void CheckRandomMaskArguments(const at::Tensor& like, double probability,
                              const c10::optional<at::Tensor>& draw_rows);

// The arguments of the kernel for a mask; it and `draw_rows` are contiguous and must outlive the
// launch.
FillRandomMask MakeFillRandomMask(const at::Tensor& mask, int64_t key, double probability,
                                  const c10::optional<at::Tensor>& draw_rows);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_RANDOM_MASK_H_
