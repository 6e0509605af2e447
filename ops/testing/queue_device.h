// A fake device that computes what a GPU computes, and notes what would wait for a GPU.
//
// Tensors behave as on a GPU: all of ATen's operators work, with gradients, and so do the operators
// of rcnn that have a kernel for CUDA (the others use the fallback of dispatch.h, which copies).
// They are computed by the CPU, whose memory it is; there are streams and events, but everything is
// done at once. Noted is each operator whose result or whose
// shape depends on values (item, nonzero, masked_select, an index by a mask, ...), each copy to the
// CPU, and each copy to the device that is not asked for as non-blocking. Takes LibTorch's device
// type XPU.
//
// Gradients of its tensors need a LibTorch without CUDA: LibTorch 2 allows one accelerator. Tests
// that run on a GPU do not link it.
//
// In contrast to far_device.h, where every operator throws.
//
// Example:
//   TakeWaits();
//   const at::Tensor sum = boxes.to(QueueDevice(), at::kFloat, /*non_blocking=*/true).sum();
//   EXPECT_THAT(TakeWaits(), ::testing::IsEmpty());

#ifndef RCNN_OPS_TESTING_QUEUE_DEVICE_H_
#define RCNN_OPS_TESTING_QUEUE_DEVICE_H_

#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace rcnn::ops::testing {

inline c10::Device QueueDevice() { return {c10::DeviceType::XPU, 0}; }

// What would have waited since the last call, in any thread: "aten::nonzero", "copy to the CPU".
std::vector<std::string> TakeWaits();

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_QUEUE_DEVICE_H_
