#include "rcnn/training/distributed/device_library.h"

#include <atomic>

namespace rcnn::training {
namespace {

std::atomic<const DeviceLibrary*>& Library() {
  static std::atomic<const DeviceLibrary*> library = nullptr;
  return library;
}

}  // namespace

bool SetDeviceLibrary(const DeviceLibrary* library) {
  Library() = library;
  return true;
}

const DeviceLibrary* FindDeviceLibrary() { return Library(); }

}  // namespace rcnn::training
