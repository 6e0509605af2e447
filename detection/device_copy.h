// Copies host data to the device of a network without waiting for it.
//
// Memory of the host that is not pinned is copied to a GPU in steps that wait for the stream. So
// the data first go to pinned memory, which LibTorch keeps until the copy is done.
//
// Example:
//   const at::Tensor boxes = CopyToDevice(truth.boxes, device);

#ifndef RCNN_DETECTION_DEVICE_COPY_H_
#define RCNN_DETECTION_DEVICE_COPY_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace rcnn::detection {

// `host`, which is on the CPU or already there, on `device`. On the CPU the tensor itself.
at::Tensor CopyToDevice(const at::Tensor& host, const c10::Device& device);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_DEVICE_COPY_H_
