#include "rcnn/base/device_probe.h"

#include <ATen/Context.h>
#include <torch/version.h>

#include <algorithm>
#include <atomic>

namespace rcnn {
namespace {

std::atomic<GpuReader>& Reader() {
  static std::atomic<GpuReader> reader = nullptr;
  return reader;
}

}  // namespace

bool SetGpuReader(GpuReader reader) {
  Reader() = reader;
  return true;
}

DeviceProbe ProbeDevices() {
  DeviceProbe probe;
  probe.libtorch_version = TORCH_VERSION;
  probe.libtorch_has_cuda = at::Context::hasCUDART();
  const GpuReader reader = Reader();
  probe.has_kernels = reader != nullptr;
  if (!probe.libtorch_has_cuda) return probe;
  if (reader != nullptr) {
    probe.gpus = reader(&probe.problem);
  } else {
    probe.gpus.resize(
        static_cast<size_t>(std::max<int>(at::detail::getCUDAHooks().getNumGPUs(), 0)));
  }
  return probe;
}

}  // namespace rcnn
