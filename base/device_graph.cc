#include "rcnn/base/device_graph.h"

#include <atomic>

namespace rcnn {
namespace {

std::atomic<const DeviceGraphLibrary*>& Library() {
  static std::atomic<const DeviceGraphLibrary*> library = nullptr;
  return library;
}

}  // namespace

bool SetDeviceGraphLibrary(const DeviceGraphLibrary* library) {
  Library() = library;
  return true;
}

const DeviceGraphLibrary* FindDeviceGraphLibrary(c10::DeviceType device) {
  const DeviceGraphLibrary* const library = Library();
  return library != nullptr && library->device == device ? library : nullptr;
}

}  // namespace rcnn
