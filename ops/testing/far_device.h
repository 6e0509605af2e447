// A fake device: its memory is the CPU's, but ATen has no kernels for it.
//
// Shows that an operator works on a device it has no kernel for, and that it copies
// only where it says so. Tensors can be made, copied from and to the CPU, and viewed;
// every other operator of ATen throws. It has streams, which do everything at once and log what
// they are asked to do. Takes LibTorch's device type PrivateUse1.
//
// Example:
//   const at::Tensor far = boxes.to(FarDevice());
//   EXPECT_TRUE(Nms(far, far_scores, {}).device() == FarDevice());

#ifndef RCNN_OPS_TESTING_FAR_DEVICE_H_
#define RCNN_OPS_TESTING_FAR_DEVICE_H_

#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace rcnn::ops::testing {

inline c10::Device FarDevice() { return {c10::DeviceType::PrivateUse1, 0}; }

// What this thread has asked the device's streams to do since the last call. Stream 0 is the first
// one, 1 that of the pool:
//   "copy on 1"         a copy from or to the device
//   "record on 1"       an event was recorded
//   "0 waits for 1"     stream 0 waits for an event that was recorded on stream 1
//   "0 uses a tensor"   Tensor::record_stream
std::vector<std::string> TakeFarStreamLog();

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_FAR_DEVICE_H_
