#include "rcnn/training/config/device_override.h"

#include "rcnn/base/device.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::training {

absl::Status SetDevice(absl::string_view name, configs::ExperimentConfig* config) {
  if (name.empty()) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const c10::Device device, ParseDevice(name));
  configs::ResourcesConfig& resources = *config->mutable_resources();
  resources.set_device(device.is_cpu() ? configs::ResourcesConfig::CPU
                                       : configs::ResourcesConfig::CUDA);
  resources.set_device_index(device.is_cpu() ? 0 : device.index());
  return absl::OkStatus();
}

c10::Device FindDevice(const configs::ResourcesConfig& resources) {
  if (resources.device() == configs::ResourcesConfig::CPU) {
    return c10::Device(c10::DeviceType::CPU);
  }
  return c10::Device(c10::DeviceType::CUDA,
                     static_cast<c10::DeviceIndex>(resources.device_index()));
}

}  // namespace rcnn::training
