// LibTorch's collectives over Gloo.
//
// ProcessGroupGloo's header needs Gloo's own headers (libgloo-dev) and USE_C10D_GLOO, which
// LibTorch was built with and does not export. Only types behind pointers come from Gloo's headers
// here, and no function of Gloo is called, so that they need not be those of the Gloo inside
// LibTorch; rank_group_test runs every collective that is used. For rank_group.cc and its tests.

#ifndef RCNN_TRAINING_DISTRIBUTED_GLOO_BACKEND_H_
#define RCNN_TRAINING_DISTRIBUTED_GLOO_BACKEND_H_

#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif

#include <chrono>
#include <string>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "rcnn/training/distributed/collective_backend.h"

namespace rcnn::training {

// Connects to all ranks, which do the same at the same time, through the network interface that
// has this address, or that has this name where `interface` is not empty. Throws on errors.
inline CollectiveBackendPtr ConnectGloo(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                        int size, const std::string& address,
                                        const std::string& interface,
                                        std::chrono::milliseconds timeout) {
  auto options = c10d::ProcessGroupGloo::Options::create(timeout);
  options->devices.push_back(interface.empty()
                                 ? c10d::ProcessGroupGloo::createDeviceForHostname(address)
                                 : c10d::ProcessGroupGloo::createDeviceForInterface(interface));
  return c10::make_intrusive<c10d::ProcessGroupGloo>(
      c10::make_intrusive<c10d::PrefixStore>("gloo", store), rank, size, options);
}

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_GLOO_BACKEND_H_
