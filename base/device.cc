#include "rcnn/base/device.h"

#include <cstddef>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace rcnn {
namespace {

c10::Device Cuda(int64_t index) {
  return c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index));
}

absl::Status NoCuda(const c10::Device& device, const DeviceProbe& probe) {
  return absl::FailedPreconditionError(absl::StrCat(
      DeviceName(device), ": this program was built with LibTorch ", probe.libtorch_version,
      " without CUDA; run tools/setup/install_libtorch.sh cuda, and build with "
      "./bazelw build --config=cuda (docs/gpu.md)"));
}

absl::Status NoKernels(const c10::Device& device) {
  return absl::FailedPreconditionError(
      absl::StrCat(DeviceName(device),
                   ": this program has no kernels for GPUs, because nvcc was missing when it was "
                   "built; install NVIDIA's CUDA toolkit in /usr/local/cuda or $CUDA_HOME, and "
                   "build with ./bazelw build --config=cuda (docs/gpu.md)"));
}

absl::Status NoGpu(const c10::Device& device, const DeviceProbe& probe) {
  return absl::FailedPreconditionError(
      absl::StrCat(DeviceName(device), ": CUDA sees no GPU",
                   probe.problem.empty() ? "" : absl::StrCat(" (", probe.problem, ")"),
                   "; nvidia-smi lists those of this machine, and the variable "
                   "CUDA_VISIBLE_DEVICES hides some"));
}

// "cuda:0 (NVIDIA H200), cuda:1 (NVIDIA H200)"
std::string ListGpus(const DeviceProbe& probe) {
  std::string list;
  for (size_t i = 0; i < probe.gpus.size(); ++i) {
    absl::StrAppend(&list, i == 0 ? "" : ", ", DeviceName(Cuda(static_cast<int64_t>(i))));
    if (!probe.gpus[i].name.empty()) absl::StrAppend(&list, " (", probe.gpus[i].name, ")");
  }
  return list;
}

absl::Status CheckCapability(const c10::Device& device, const Gpu& gpu) {
  if (gpu.major == 0 || gpu.major >= kMinGpuMajor) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      DeviceName(device), " (", gpu.name, ") has compute capability ", gpu.major, ".", gpu.minor,
      "; the kernels need ", kMinGpuMajor, ".0 or newer, which GPUs since A100 and RTX 30 have"));
}

}  // namespace

absl::StatusOr<c10::Device> ParseDevice(absl::string_view name) {
  if (name == "cpu") return c10::Device(c10::DeviceType::CPU);
  if (name == "cuda") return Cuda(0);
  absl::string_view digits = name;
  int64_t index = 0;
  if (absl::ConsumePrefix(&digits, "cuda:") && absl::SimpleAtoi(digits, &index) && index >= 0 &&
      index <= kMaxDeviceIndex) {
    return Cuda(index);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name, "\" is not a device; use cpu, cuda or cuda:1"));
}

std::string DeviceName(const c10::Device& device) { return device.str(); }

absl::Status CheckDevice(const c10::Device& device, const DeviceProbe& probe) {
  if (device.is_cpu()) return absl::OkStatus();
  if (!probe.libtorch_has_cuda) return NoCuda(device, probe);
  if (!probe.has_kernels) return NoKernels(device);
  if (probe.gpus.empty()) return NoGpu(device, probe);
  const auto index = static_cast<size_t>(device.has_index() ? device.index() : 0);
  if (index >= probe.gpus.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(DeviceName(device), ": no such GPU; CUDA sees ", ListGpus(probe)));
  }
  return CheckCapability(device, probe.gpus[index]);
}

}  // namespace rcnn
