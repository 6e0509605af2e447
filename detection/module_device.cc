#include "rcnn/detection/module_device.h"

#include <ATen/core/Tensor.h>

#include "rcnn/detection/layers.h"

namespace rcnn::detection {

c10::Device ModuleDevice(const torch::nn::Module& module) {
  for (const at::Tensor& parameter : module.parameters()) return parameter.device();
  for (const at::Tensor& buffer : module.buffers()) return buffer.device();
  return c10::Device(c10::DeviceType::CPU);
}

void MoveToDevice(torch::nn::Module& module, const c10::Device& device) {
  if (device.is_cpu()) return;
  module.to(device);
  if (device.is_cuda()) UseGpuForm(module);
}

}  // namespace rcnn::detection
