// A fake device: its memory is the CPU's, but ATen has no kernels for it.
//
// Shows that an operator works on a device it has no kernel for, and that it copies
// only where it says so. Tensors can be made, copied from and to the CPU, and viewed;
// every other operator of ATen throws. Takes LibTorch's device type PrivateUse1.
//
// Example:
//   const at::Tensor far = boxes.to(FarDevice());
//   EXPECT_TRUE(Nms(far, far_scores, {}).device() == FarDevice());

#ifndef RCNN_OPS_TESTING_FAR_DEVICE_H_
#define RCNN_OPS_TESTING_FAR_DEVICE_H_

#include <c10/core/Device.h>

namespace rcnn::ops::testing {

inline c10::Device FarDevice() { return {c10::DeviceType::PrivateUse1, 0}; }

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_FAR_DEVICE_H_
