// Sets up LibTorch for the machine: threads, BLAS kernels, heap.
//
// LibTorch's defaults on Debian have four problems. It uses one thread even if several cores are
// allowed. OpenBLAS takes CPUs that it does not know for 20-year-old ones and is several times
// slower. glibc returns every large tensor to the kernel. OpenMP and OpenBLAS each have a thread
// pool whose idle threads spin for milliseconds on the cores that the other pool needs, so that a
// training step with both takes a fifth more time. The last three can be fixed only through the
// environment before the program loads, so InitRuntime sets the variables and re-executes the
// program, at most once. Variables set by the user are kept.
//
// Call it first in the main of every program with tensors. Tests and benchmarks get
// it from //base:runtime_test_main and //base:runtime_benchmark_main.
// RCNN_NO_REEXEC=1 in the environment prevents the second execution.
//
// Example:
//   int main(int argc, char** argv) {
//     rcnn::InitRuntime({.usage = "Detects objects."}, &argc, &argv);
//     return rcnn::ExitCode(Run());
//   }

#ifndef RCNN_BASE_RUNTIME_H_
#define RCNN_BASE_RUNTIME_H_

#include <string>
#include <vector>

#include "rcnn/base/program.h"

namespace rcnn {

// Does what InitProgram does, and sets threads, BLAS kernels and heap. Adds the
// flag --threads (0: the cores of the affinity mask).
void InitRuntime(const ProgramOptions& options, int* argc, char*** argv);

// The same without flags, for main functions that parse their own.
void InitRuntimeWithoutFlags(char** argv);

// The settings of the process.
struct RuntimeInfo {
  std::string libtorch_version;   // "1.13.0"
  std::string onednn_version;     // "2.6.3"
  std::string blas_core;          // OpenBLAS's kernels, "SkylakeX"; "" with another BLAS
  std::string cpu_features;       // "avx2 fma avx512f avx512_bf16"
  int threads = 0;                // LibTorch's intra-op threads
  int allowed_cores = 0;          // cores of the affinity mask
  bool cuda = false;              // LibTorch has CUDA and sees a device
  std::vector<std::string> heap;  // settings, "mmap_threshold=4294967296"
  // Settings of how long idle threads spin, "GOMP_SPINCOUNT=1000"; only those that
  // are set.
  std::vector<std::string> waiting;
};

RuntimeInfo GetRuntimeInfo();

// The OpenBLAS core type for the CPU's instruction set: "SKYLAKEX", "HASWELL", or
// "" to let OpenBLAS choose.
std::string BestOpenBlasCore();

}  // namespace rcnn

#endif  // RCNN_BASE_RUNTIME_H_
