// LibTorch's collectives over NCCL, between the GPUs of several ranks.
//
// ProcessGroupNCCL's header needs NCCL's own header and USE_C10D_NCCL, which LibTorch was built
// with and does not export. The layout of its classes follows from the version of that header, so
// it must be the one that LibTorch was built with; ConnectNccl checks it. Registers itself with
// device_library.h. Empty unless --config=cuda is given and nccl.h is found.
//
// Source: https://docs.nvidia.com/deeplearning/nccl/user-guide/docs;
// https://pytorch.org/docs/stable/torch_nccl_environment_variables.html.

#ifndef RCNN_TRAINING_DISTRIBUTED_NCCL_BACKEND_H_
#define RCNN_TRAINING_DISTRIBUTED_NCCL_BACKEND_H_

#include <c10/core/Device.h>

#include <chrono>
#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "rcnn/training/distributed/collective_backend.h"

namespace rcnn::training {

// The functions of DeviceLibrary. The identity is the UUID of the GPU.
std::string GpuIdentity(const c10::Device& device);

CollectiveBackendPtr ConnectNccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                 const c10::Device& device, std::chrono::milliseconds timeout);

void CloseNccl(CollectiveBackend& backend, bool all_ended);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_NCCL_BACKEND_H_
