// Sums over ranks of values on their devices, which are begun one after the other, while the device
// computes, and waited for together. For rank_group.cc.
//
// A sum waits on the device for what was computed there before Begin, and runs beside what comes
// after it. Finish is the only function that waits: until then the host does not know whether a sum
// has been made, or whether another rank has failed.
//
// Example:
//   sums.Begin(gradients);
//   RCNN_RETURN_IF_ERROR(sums.Finish(absl::Minutes(10), check));

#ifndef RCNN_TRAINING_DISTRIBUTED_DEVICE_SUMS_H_
#define RCNN_TRAINING_DISTRIBUTED_DEVICE_SUMS_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <functional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "rcnn/training/distributed/collective_backend.h"
#include "rcnn/training/distributed/device_library.h"

namespace rcnn::training {

class DeviceSums {
 public:
  // `backend` is one of `library`, connected for `device`.
  DeviceSums(const DeviceLibrary& library, CollectiveBackendPtr backend, const c10::Device& device)
      : library_(library), backend_(std::move(backend)), device_(device) {}

  // Takes a few seconds at most.
  ~DeviceSums();

  DeviceSums(const DeviceSums&) = delete;
  DeviceSums& operator=(const DeviceSums&) = delete;

  const c10::Device& device() const { return device_; }
  const char* library_name() const { return library_.name; }

  // Begins to replace `values`, float32, contiguous and on the device, with their sums over all
  // ranks, which begin the same sums in the same order. Nothing else uses them until Finish.
  // Throws.
  void Begin(const at::Tensor& values);

  // Waits for all sums that were begun, so that what this thread computes from now on sees them.
  // Throws the library's error. kDeadlineExceeded if they take longer than `timeout`; an error of
  // `check`, which is called several times in a second.
  absl::Status Finish(absl::Duration timeout, const std::function<absl::Status()>& check);

  // A rank has failed: the destructor does not wait for the others. Nor does it if sums have not
  // been waited for.
  void GiveUp() { is_given_up_ = true; }

 private:
  const DeviceLibrary& library_;
  CollectiveBackendPtr backend_;
  const c10::Device device_;
  std::vector<CollectiveWorkPtr> begun_;
  bool is_given_up_ = false;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_DEVICE_SUMS_H_
