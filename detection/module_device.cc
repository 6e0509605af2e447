#include "rcnn/detection/module_device.h"

#include <ATen/core/Tensor.h>

namespace rcnn::detection {

c10::Device ModuleDevice(const torch::nn::Module& module) {
  for (const at::Tensor& parameter : module.parameters()) return parameter.device();
  for (const at::Tensor& buffer : module.buffers()) return buffer.device();
  return c10::Device(c10::DeviceType::CPU);
}

}  // namespace rcnn::detection
