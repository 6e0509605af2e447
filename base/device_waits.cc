#include "rcnn/base/device_waits.h"

#include <atomic>

#include "absl/strings/str_cat.h"

namespace rcnn {
namespace {

std::atomic<const DeviceWaitLibrary*>& Library() {
  static std::atomic<const DeviceWaitLibrary*> library = nullptr;
  return library;
}

std::atomic<bool>& Forbidden() {
  static std::atomic<bool> forbidden = false;
  return forbidden;
}

// Null if there is none for this type of device.
const DeviceWaitLibrary* FindLibrary(const c10::Device& device) {
  const DeviceWaitLibrary* const library = Library();
  return library != nullptr && library->device == device.type() ? library : nullptr;
}

}  // namespace

bool SetDeviceWaitLibrary(const DeviceWaitLibrary* library) {
  Library() = library;
  return true;
}

absl::Status CheckWaitsCanBeForbidden(const c10::Device& device) {
  const DeviceWaitLibrary* const library = FindLibrary(device);
  if (library == nullptr && device.is_cpu()) return absl::OkStatus();
  if (library == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        device.str(), ": this program cannot make waits errors; build it with --config=cuda"));
  }
  const NoDeviceWaits no_waits(device);
  if (library->wait_fails()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(device.str(), ": waits are not errors with this LibTorch"));
}

NoDeviceWaits::NoDeviceWaits(const c10::Device& device) : library_(FindLibrary(device)) {
  if (library_ == nullptr) return;
  Forbidden() = true;
  library_->forbid(true);
}

NoDeviceWaits::~NoDeviceWaits() {
  if (library_ == nullptr) return;
  library_->forbid(false);
  Forbidden() = false;
}

bool DeviceWaitsAreForbidden() { return Forbidden(); }

}  // namespace rcnn
