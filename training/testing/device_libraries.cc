#include "rcnn/training/testing/device_libraries.h"

#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <vector>

#include "rcnn/training/distributed/gloo_backend.h"

namespace rcnn::training {
namespace {

std::string ThreadIdentity(const c10::Device&) {
  std::ostringstream text;
  text << "thread " << std::this_thread::get_id();
  return text.str();
}

std::string OneIdentity(const c10::Device&) { return "GPU 1"; }

CollectiveBackendPtr ConnectOverGloo(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                     int size, const c10::Device&,
                                     std::chrono::milliseconds timeout) {
  return ConnectGloo(c10::make_intrusive<c10d::PrefixStore>("device", store), rank, size,
                     "127.0.0.1", /*interface=*/"", timeout);
}

void CloseNothing(CollectiveBackend&, bool) {}

class FakeWork : public c10d::Work {
 public:
  explicit FakeWork(bool ends) : ends_(ends) {}
  bool isCompleted() override { return ends_; }
  bool wait(std::chrono::milliseconds) override { return ends_; }

 private:
  const bool ends_;
};

class StuckBackend : public CollectiveBackend {
 public:
  StuckBackend(int rank, int size) : CollectiveBackend(rank, size) {}
  CollectiveWorkPtr allreduce(std::vector<at::Tensor>&, const c10d::AllreduceOptions&) override {
    return c10::make_intrusive<FakeWork>(/*ends=*/calls_++ == 0);
  }

 private:
  int calls_ = 0;
};

CollectiveBackendPtr ConnectStuck(const c10::intrusive_ptr<c10d::Store>&, int rank, int size,
                                  const c10::Device&, std::chrono::milliseconds) {
  return c10::make_intrusive<StuckBackend>(rank, size);
}

CollectiveBackendPtr ConnectUnlessRank1(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                        int size, const c10::Device& device,
                                        std::chrono::milliseconds timeout) {
  if (rank == 1) throw std::runtime_error("no cable");
  return ConnectStuck(store, rank, size, device, timeout);
}

}  // namespace

const DeviceLibrary& CpuDeviceLibrary() {
  static const DeviceLibrary library = {"Gloo", &ThreadIdentity, &ConnectOverGloo, &CloseNothing};
  return library;
}

const DeviceLibrary& SameDeviceLibrary() {
  static const DeviceLibrary library = {"Gloo", &OneIdentity, &ConnectOverGloo, &CloseNothing};
  return library;
}

const DeviceLibrary& UnconnectedDeviceLibrary() {
  static const DeviceLibrary library = {"a fake", &ThreadIdentity, &ConnectUnlessRank1,
                                        &CloseNothing};
  return library;
}

const DeviceLibrary& StuckDeviceLibrary() {
  static const DeviceLibrary library = {"a fake", &ThreadIdentity, &ConnectStuck, &CloseNothing};
  return library;
}

}  // namespace rcnn::training
