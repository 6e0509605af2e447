// Devices by name, and whether this process can compute on them.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const c10::Device device, ParseDevice("cuda:1"), "--device");
//   RCNN_RETURN_IF_ERROR(CheckDevice(device, ProbeDevices()), "--device");

#ifndef RCNN_BASE_DEVICE_H_
#define RCNN_BASE_DEVICE_H_

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/device_probe.h"

namespace rcnn {

// The oldest GPUs for which kernels are compiled (tools/build/cuda.bzl): Ampere.
inline constexpr int kMinGpuMajor = 8;

// The largest index that a device can have.
inline constexpr int64_t kMaxDeviceIndex = 127;

// "cpu", "cuda" (the same as "cuda:0") or "cuda:N". kInvalidArgument for anything else.
absl::StatusOr<c10::Device> ParseDevice(absl::string_view name);

// "cpu" or "cuda:N".
std::string DeviceName(const c10::Device& device);

// OK for the CPU, and for a GPU that can be used. Otherwise the message says what to do:
// kFailedPrecondition if LibTorch has no CUDA, the program was built without nvcc, no GPU
// is visible, or it is too old; kInvalidArgument if there is none of that index.
absl::Status CheckDevice(const c10::Device& device, const DeviceProbe& probe);

}  // namespace rcnn

#endif  // RCNN_BASE_DEVICE_H_
