// Copies host data to the device of a network without waiting for it.
//
// A copy from memory that is not pinned waits for the GPU's stream. So the data go through pinned
// memory, which LibTorch keeps until the copy is done.
//
// Example:
//   const at::Tensor boxes = CopyToDevice(truth.boxes, device);

#ifndef RCNN_DETECTION_DEVICE_COPY_H_
#define RCNN_DETECTION_DEVICE_COPY_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace rcnn::detection {

// `host` on `device`; the tensor itself if it is there already. It must be there or on the CPU.
at::Tensor CopyToDevice(const at::Tensor& host, const c10::Device& device);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_DEVICE_COPY_H_
