#include "rcnn/detection/device_copy.h"

namespace rcnn::detection {

at::Tensor CopyToDevice(const at::Tensor& host, const c10::Device& device) {
  if (host.device() == device) return host;
  const bool pins = device.is_cuda() && host.is_cpu();
  return (pins ? host.pin_memory() : host).to(device, host.scalar_type(), /*non_blocking=*/true);
}

}  // namespace rcnn::detection
