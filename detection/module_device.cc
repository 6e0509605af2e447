#include "rcnn/detection/module_device.h"

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <exception>
#include <string>

#include "absl/status/status.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {

c10::Device ModuleDevice(const torch::nn::Module& module) {
  for (const at::Tensor& parameter : module.parameters()) return parameter.device();
  for (const at::Tensor& buffer : module.buffers()) return buffer.device();
  return c10::Device(c10::DeviceType::CPU);
}

void MoveToDevice(torch::nn::Module& module, const c10::Device& device) {
  if (device.is_cpu()) return;
  try {
    module.to(device);
    if (device.is_cuda()) UseGpuForm(module);
  } catch (const std::exception& error) {
    if (!IsOutOfMemory(error)) throw;
    const absl::Status status = ExceptionStatus(error, absl::StatusCode::kInternal);
    TORCH_CHECK(false, "not enough memory on ", device.str(),
                " for the weights: ", std::string(status.message()),
                "; nvidia-smi shows which programs use the GPUs, and --device chooses another one");
  }
}

}  // namespace rcnn::detection
