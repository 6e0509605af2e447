// Devices of ranks, for tests on machines without GPUs: the CPU takes the place of one.

#ifndef RCNN_TRAINING_TESTING_DEVICE_LIBRARIES_H_
#define RCNN_TRAINING_TESTING_DEVICE_LIBRARIES_H_

#include "rcnn/training/distributed/device_library.h"

namespace rcnn::training {

// Gloo adds up the values. Each thread has a device of its own.
const DeviceLibrary& CpuDeviceLibrary();

// The same, but all ranks have one device.
const DeviceLibrary& SameDeviceLibrary();

// Rank 1 cannot connect: "no cable".
const DeviceLibrary& UnconnectedDeviceLibrary();

// Only the first sum ends, by which ranks connect; it adds up nothing.
const DeviceLibrary& StuckDeviceLibrary();

// The library of this program while it exists.
class ScopedDeviceLibrary {
 public:
  explicit ScopedDeviceLibrary(const DeviceLibrary& library) { SetDeviceLibrary(&library); }
  ~ScopedDeviceLibrary() { SetDeviceLibrary(nullptr); }

  ScopedDeviceLibrary(const ScopedDeviceLibrary&) = delete;
  ScopedDeviceLibrary& operator=(const ScopedDeviceLibrary&) = delete;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TESTING_DEVICE_LIBRARIES_H_
