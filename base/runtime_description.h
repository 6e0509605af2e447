// The runtime settings of a program with tensors, and how --version prints them.
//
// Example:
//   for (const std::string& line : VersionLines(GetRuntimeInfo())) puts(line.c_str());

#ifndef RCNN_BASE_RUNTIME_DESCRIPTION_H_
#define RCNN_BASE_RUNTIME_DESCRIPTION_H_

#include <string>
#include <vector>

namespace rcnn {

// The settings of the process.
struct RuntimeInfo {
  std::string libtorch_version;   // "1.13.0"
  std::string onednn_version;     // "2.6.3"
  std::string blas_core;          // OpenBLAS's kernels, "SkylakeX"; "" with another BLAS
  std::string cpu_features;       // "avx2 fma avx512f avx512_bf16"
  std::string instructions;       // level that rcnn's kernels use, "avx512_bf16"
  std::string libtorch_kernels;   // those of LibTorch's operators, "AVX512"; "" if not asked for
  int threads = 0;                // LibTorch's intra-op threads
  int allowed_cores = 0;          // cores of the affinity mask
  bool cuda = false;              // LibTorch has CUDA and sees a device
  std::vector<std::string> heap;  // settings, "mmap_threshold=4294967296"
  // Settings of how long idle threads spin, "GOMP_SPINCOUNT=1000"; only those that
  // are set.
  std::vector<std::string> waiting;
};

// "libtorch: 1.13.0", "onednn: 2.6.3", …
std::vector<std::string> VersionLines(const RuntimeInfo& info);

// Cores of the affinity mask, at least 1.
int AllowedCores();

}  // namespace rcnn

#endif  // RCNN_BASE_RUNTIME_DESCRIPTION_H_
