// Errors where LibTorch would wait for a GPU, to check that work does not wait.
//
// LibTorch then throws c10::Error, "called a synchronizing CUDA operation", where it would wait: at
// a copy to the host, a value that is read, a shape that depends on values. What other libraries
// wait for is not seen.
//
// The library that knows how to forbid waits registers itself: //ops/cuda, which programs with GPU
// support link. For the trainer's check of its iterations (TrainerOptions::forbid_waits); tests
// register a library for the CPU.
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckWaitsCanBeForbidden(device));
//   const NoDeviceWaits no_waits(device);
//   Multiply();

#ifndef RCNN_BASE_DEVICE_WAITS_H_
#define RCNN_BASE_DEVICE_WAITS_H_

#include <c10/core/Device.h>
#include <c10/core/DeviceType.h>

#include "absl/status/status.h"

namespace rcnn {

struct DeviceWaitLibrary {
  c10::DeviceType device = c10::DeviceType::CUDA;
  // Makes waits errors from now on, in all threads, or no longer.
  void (*forbid)(bool forbidden) = nullptr;
  // Waits for the device where one is visible, and returns whether that was an error.
  bool (*wait_fails)() = nullptr;
};

// Replaces an earlier library; null: none. `library` must outlive all use. Returns true.
bool SetDeviceWaitLibrary(const DeviceWaitLibrary* library);

// OK if waits for the device can be made errors, which is tried. Without a library: OK for the CPU,
// for which nothing waits, and kFailedPrecondition for others. Not while a NoDeviceWaits lives.
absl::Status CheckWaitsCanBeForbidden(const c10::Device& device);

// While this lives, waits for the device are errors, in all threads. One at a time. Without effect
// where there is no library for the device.
class NoDeviceWaits {
 public:
  explicit NoDeviceWaits(const c10::Device& device);
  ~NoDeviceWaits();
  NoDeviceWaits(const NoDeviceWaits&) = delete;
  NoDeviceWaits& operator=(const NoDeviceWaits&) = delete;

 private:
  const DeviceWaitLibrary* const library_;
};

// Whether a NoDeviceWaits with a library lives.
bool DeviceWaitsAreForbidden();

}  // namespace rcnn

#endif  // RCNN_BASE_DEVICE_WAITS_H_
