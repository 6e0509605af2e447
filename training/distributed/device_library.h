// The library through which ranks add up values on their GPUs: NCCL, if the program has it.
//
// It registers itself, like the probe of GPUs in base/device_probe.h, so that nothing else here
// depends on CUDA: nccl_backend.cc, which is empty unless --config=cuda is given. For rank_group.cc
// and tests, which register Gloo for the CPU.
//
// Example:
//   static const DeviceLibrary kLibrary = {"NCCL", &GpuIdentity, &ConnectNccl, &CloseNccl};
//   [[maybe_unused]] const bool kRegistered = SetDeviceLibrary(&kLibrary);

#ifndef RCNN_TRAINING_DISTRIBUTED_DEVICE_LIBRARY_H_
#define RCNN_TRAINING_DISTRIBUTED_DEVICE_LIBRARY_H_

#include <c10/core/Device.h>

#include <chrono>
#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "rcnn/training/distributed/collective_backend.h"

namespace rcnn::training {

struct DeviceLibrary {
  const char* name = "";

  // Identifies a device of a machine by something other than its index, which CUDA_VISIBLE_DEVICES
  // changes. Throws on errors.
  std::string (*identity)(const c10::Device& device) = nullptr;

  // Connects to all ranks, which do the same at the same time, each with its own device. The
  // library aborts an operation that takes longer than `timeout`. Throws on errors.
  CollectiveBackendPtr (*connect)(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                  const c10::Device& device,
                                  std::chrono::milliseconds timeout) = nullptr;

  // Disconnects. Without `all_ended` it aborts the operations that have not ended, so that the
  // device is free for other work; with it all ranks call it at about the same time. May take long.
  void (*close)(CollectiveBackend& backend, bool all_ended) = nullptr;
};

// Replaces an earlier library; null: none. `library` must outlive all groups. Returns true.
bool SetDeviceLibrary(const DeviceLibrary* library);

// Null if there is none.
const DeviceLibrary* FindDeviceLibrary();

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_DEVICE_LIBRARY_H_
