#include "rcnn/ops/cuda/gpus.h"

#include <cuda_runtime_api.h>

#include <cstdint>

namespace rcnn::ops::cuda {
namespace {

[[maybe_unused]] const bool kRegistered = SetGpuReader(&ReadGpus);

// Returns whether `code` is an error, whose message becomes `problem`.
bool Failed(cudaError_t code, std::string* problem) {
  if (code == cudaSuccess) return false;
  *problem = cudaGetErrorString(code);
  return true;
}

}  // namespace

std::vector<Gpu> ReadGpus(std::string* problem) {
  int count = 0;
  if (Failed(cudaGetDeviceCount(&count), problem)) return {};
  std::vector<Gpu> gpus;
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties;
    if (Failed(cudaGetDeviceProperties(&properties, i), problem)) return {};
    gpus.push_back({properties.name, properties.major, properties.minor,
                    static_cast<int64_t>(properties.totalGlobalMem)});
  }
  return gpus;
}

}  // namespace rcnn::ops::cuda
