// The GPUs that this process can see.
//
// LibTorch itself tells only how many there are. Their properties are read by a library that
// registers itself: //ops/cuda, which programs with GPU support link.
//
// Example:
//   for (const Gpu& gpu : ProbeDevices().gpus) std::printf("%s\n", gpu.name.c_str());

#ifndef RCNN_BASE_DEVICE_PROBE_H_
#define RCNN_BASE_DEVICE_PROBE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace rcnn {

struct Gpu {
  std::string name = {};  // "NVIDIA H200"
  // Compute capability, 9.0; 0.0 if it is not known.
  int major = 0;
  int minor = 0;
  int64_t memory_bytes = 0;
};

struct DeviceProbe {
  std::string libtorch_version = {};
  bool libtorch_has_cuda = false;
  // By CUDA's index, after CUDA_VISIBLE_DEVICES.
  std::vector<Gpu> gpus = {};
  // What CUDA says if it cannot list the GPUs: no driver, or one that is too old.
  std::string problem = {};
  // Whether the program has a reader, and with it rcnn's kernels. Without nvcc none are built.
  bool has_kernels = false;
};

// Asks LibTorch and CUDA. Initialises CUDA where LibTorch has it. Thread-safe.
DeviceProbe ProbeDevices();

// Reads the visible GPUs, or returns none and sets `problem`.
using GpuReader = std::vector<Gpu> (*)(std::string* problem);

// Makes ProbeDevices call `reader`, which replaces an earlier one; null: none. Returns true.
bool SetGpuReader(GpuReader reader);

}  // namespace rcnn

#endif  // RCNN_BASE_DEVICE_PROBE_H_
