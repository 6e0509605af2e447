// How LibTorch treats a sum that fails or does not end is chosen by environment variables, which it
// reads when a group is made. They are set before main, when no other thread reads the environment:
//
//   TORCH_NCCL_ASYNC_ERROR_HANDLING=2   the watchdog ends the sums, and not the process: this
//   (without TORCH_ in LibTorch 1.13)   process says which rank it was (RankGroup). Replaces the 1
//                                       of torchrun, which ends the process
//
// and these unless the user has set them:
//
//   TORCH_NCCL_ENABLE_MONITORING=0      nothing ends the process if the watchdog is late
//   TORCH_NCCL_DUMP_ON_TIMEOUT=0        no files of debugging
//   NCCL_NVLS_ENABLE=0                  no sums inside the switch of NVLink, whose order NCCL does
//                                       not document. Rings and trees add in an order that follows
//                                       from the machines, NCCL's version and the sizes

#include "rcnn/training/distributed/nccl_backend.h"

#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#ifndef USE_C10D_NCCL
#define USE_C10D_NCCL
#endif

#include <torch/csrc/cuda/nccl.h>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/libtorch_version.h"
#include "rcnn/training/distributed/device_library.h"

namespace rcnn::training {
namespace {

#if RCNN_LIBTORCH_2
constexpr char kErrorHandling[] = "TORCH_NCCL_ASYNC_ERROR_HANDLING";
#else
constexpr char kErrorHandling[] = "NCCL_ASYNC_ERROR_HANDLING";
#endif

bool SetVariables() {
  setenv(kErrorHandling, "2", /*overwrite=*/1);
  for (const char* name :
       {"TORCH_NCCL_ENABLE_MONITORING", "TORCH_NCCL_DUMP_ON_TIMEOUT", "NCCL_NVLS_ENABLE"}) {
    setenv(name, "0", /*overwrite=*/0);
  }
  return true;
}

const DeviceLibrary kLibrary = {"NCCL", &GpuIdentity, &ConnectNccl, &CloseNccl};
[[maybe_unused]] const bool kHasVariables = SetVariables();
[[maybe_unused]] const bool kRegistered = SetDeviceLibrary(&kLibrary);

// As torch::cuda::nccl::version has it of the header that LibTorch was built with.
constexpr uint64_t kHeaderVersion =
    (uint64_t{NCCL_MAJOR} << 32) | (uint64_t{NCCL_MINOR} << 16) | uint64_t{NCCL_PATCH};

std::string VersionText(uint64_t version) {
  return absl::StrCat(version >> 32, ".", (version >> 16) & 0xffff, ".", version & 0xffff);
}

void CheckVersion() {
  const uint64_t of_libtorch = torch::cuda::nccl::version();
  if (of_libtorch == kHeaderVersion) return;
  throw std::runtime_error(absl::StrCat(
      "this program was built with the nccl.h of NCCL ", VersionText(kHeaderVersion),
      ", but its LibTorch with that of ", VersionText(of_libtorch),
      "; install LibTorch with tools/setup/install_libtorch.sh cuda, which has the right one"));
}

}  // namespace

std::string GpuIdentity(const c10::Device& device) {
  cudaDeviceProp properties;
  const cudaError_t code = cudaGetDeviceProperties(&properties, device.index());
  if (code != cudaSuccess) throw std::runtime_error(cudaGetErrorString(code));
  return absl::StrCat(properties.name, " ",
                      absl::BytesToHexString(
                          absl::string_view(properties.uuid.bytes, sizeof(properties.uuid.bytes))));
}

CollectiveBackendPtr ConnectNccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                 const c10::Device& device, std::chrono::milliseconds timeout) {
  CheckVersion();
  // For what names no device, so that it does not take memory of the first GPU.
  c10::cuda::set_device(device.index());
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(
      c10::make_intrusive<c10d::PrefixStore>("nccl", store), rank, size, options);
}

// In LibTorch 1.13 the destructor does it.
void CloseNccl([[maybe_unused]] CollectiveBackend& backend, [[maybe_unused]] bool all_ended) {
#if RCNN_LIBTORCH_2
  auto& group = static_cast<c10d::ProcessGroupNCCL&>(backend);
  if (all_ended) return group.shutdown();
  group.abort();
#endif
}

}  // namespace rcnn::training
